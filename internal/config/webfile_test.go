package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadWebFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       WebFile
	}{
		{"empty", "", WebFile{}},
		{"users", "basic_auth_users: {ann: $2y$10$x}\n", WebFile{Users: true, Credentials: true}},
		{"tls", "tls_server_config: {cert_file: /a, key_file: b}\n", WebFile{TLS: true, CertFile: "/a"}},
		{"certificates asked for", "tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n", WebFile{TLS: true, Credentials: true}},
		{"certificates not verified", "tls_server_config: {client_auth_type: RequestClientCert}\n", WebFile{TLS: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "web.yml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadWebFile(path)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
	if _, err := ReadWebFile(filepath.Join(t.TempDir(), "missing.yml")); err == nil {
		t.Error("a missing file is no error")
	}
}
