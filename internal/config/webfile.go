package config

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// WebFile is what the daemon's own rules need to know of a web configuration file. The file itself, in exporter-toolkit's
// form, is read and checked by that library.
type WebFile struct {
	TLS         bool   // tls_server_config is there
	CertFile    string // the server's certificate; "" = none, or written into the file itself
	Users       bool   // basic_auth_users has a user
	Credentials bool   // that, or clients must show a certificate that is verified
}

// certFile resolves a certificate's path as exporter-toolkit does: relative to the folder of the web configuration file.
func certFile(path string, v any) string {
	name, _ := v.(string)
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(path), name)
}

// ReadWebFile reads the file named by web.config_file; "" is an empty one.
func ReadWebFile(path string) (WebFile, error) {
	if path == "" {
		return WebFile{}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return WebFile{}, fmt.Errorf("web.config_file: %w", err)
	}
	var f struct {
		TLS   map[string]any    `yaml:"tls_server_config"`
		Users map[string]string `yaml:"basic_auth_users"`
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return WebFile{}, fmt.Errorf("web.config_file %s: %w", path, err)
	}
	return WebFile{
		TLS:         len(f.TLS) > 0,
		CertFile:    certFile(path, f.TLS["cert_file"]),
		Users:       len(f.Users) > 0,
		Credentials: len(f.Users) > 0 || f.TLS["client_auth_type"] == "RequireAndVerifyClientCert",
	}, nil
}
