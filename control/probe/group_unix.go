//go:build unix

package probe

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a process group and its cancellation the end of that group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
