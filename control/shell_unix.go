//go:build !windows

package control

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

func shell(command string) []string { return []string{"/bin/sh", "-c", command} }

// giveTo makes a socket writable for the user that a service runs as.
func giveTo(path, name string) error {
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return fmt.Errorf("there is no user %s", name)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("user %s has no numeric id", name)
	}
	return os.Chown(path, uid, -1) //nolint:wrapcheck // the caller says what was being done
}
