//go:build !unix

package probe

import "os/exec"

// isolate does nothing here: cancellation ends the command itself, not what it started, and services have no user of their own.
func isolate(*exec.Cmd, string, string) error { return nil }
