//go:build !unix

package probe

import "os/exec"

// ownGroup does nothing here: cancellation ends the command itself, not what it started.
func ownGroup(*exec.Cmd) {}
