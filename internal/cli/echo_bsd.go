//go:build unix && !linux && !solaris && !illumos && !aix

package cli

import "golang.org/x/sys/unix"

const getTermios, setTermios = unix.TIOCGETA, unix.TIOCSETA
