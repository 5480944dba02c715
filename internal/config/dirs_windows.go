package config

import (
	"os"
	"path/filepath"
)

// stateDir is %LocalAppData%\controlcenter: state that does not roam to other machines. "" when it is unknown.
func stateDir() string {
	if dir := os.Getenv("LocalAppData"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "controlcenter")
	}
	return ""
}
