package config

import (
	"os"
	"path/filepath"
)

// stateDir is ~/Library/Application Support/controlcenter. "" when no home directory is known.
func stateDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, "Library", "Application Support", "controlcenter")
}
