//go:build !windows && !darwin

package config

import (
	"os"
	"path/filepath"
)

// stateDir is $XDG_STATE_HOME/controlcenter, else ~/.local/state/controlcenter. The XDG rules say that a relative
// XDG_STATE_HOME is to be ignored. "" when no home directory is known.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "controlcenter")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "controlcenter")
}
