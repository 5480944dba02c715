package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// keyFor is the API key for a daemon: --api-key; for one that a URL names also CC_API_KEY (or CC_TOKEN), else the line of the
// keys file for it. The daemon of this machine's socket knows its owner, whom a key would only make less.
func (e *env) keyFor(rawURL string) (string, error) {
	switch {
	case e.apiKey != "":
		return e.apiKey, nil
	case e.vars["CC_TOKEN"] != "":
		return e.vars["CC_TOKEN"], nil
	case rawURL == "":
		return "", nil
	case e.vars["CC_API_KEY"] != "":
		return e.vars["CC_API_KEY"], nil
	}
	path, named := e.vars["CC_KEYS_FILE"], true
	if path == "" {
		named = false
		if e.load.UserConfigDir == "" {
			return "", nil
		}
		path = filepath.Join(e.load.UserConfigDir, "controlcenter", "keys")
	}
	key, err := keyInFile(path, rawURL)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "", nil
	}
	if err != nil {
		return "", exitf(ExitUsage, "keys file: %w", err)
	}
	return key, nil
}

// keyInFile finds the key of a URL in lines of "URL KEY".
func keyInFile(path, rawURL string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if err := checkPrivate(path, st); err != nil {
		return "", err
	}
	b, err := readLimited(f, 1<<20)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	want := origin(rawURL)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 || origin(fields[0]) == "" {
			return "", fmt.Errorf("%s: line %d: want a URL and its key", path, n)
		}
		if origin(fields[0]) == want {
			return fields[1], nil
		}
	}
	return "", nil
}

// origin is what a key is for: scheme, host and port.
func origin(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}
