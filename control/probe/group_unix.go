//go:build unix

package probe

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// isolate gives the command a session of its own, makes its cancellation the end of that, and runs it as the service's user:
// a command of a definition has no more rights than the service.
func isolate(cmd *exec.Cmd, name, group string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if name == "" && group == "" {
		return nil
	}
	cred := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())} //nolint:gosec // ids fit
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			if u, err = user.LookupId(name); err != nil {
				return fmt.Errorf("there is no user %s", name)
			}
		}
		if cred.Uid, err = number(u.Uid); err != nil {
			return err
		}
		if cred.Gid, err = number(u.Gid); err != nil {
			return err
		}
		ids, err := u.GroupIds()
		if err != nil {
			return fmt.Errorf("groups of user %s: %w", name, err)
		}
		for _, id := range ids {
			if n, err := number(id); err == nil {
				cred.Groups = append(cred.Groups, n)
			}
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			if g, err = user.LookupGroupId(group); err != nil {
				return fmt.Errorf("there is no group %s", group)
			}
		}
		if cred.Gid, err = number(g.Gid); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 && int(cred.Uid) == os.Geteuid() && int(cred.Gid) == os.Getegid() {
		return nil // we are that already, and may not say so again
	}
	cmd.SysProcAttr.Credential = cred
	return nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("id %s is no number", id)
	}
	return uint32(n), nil
}
