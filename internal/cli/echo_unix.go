//go:build unix

package cli

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// hideInput makes a terminal not show what is typed until restore is called; an error when f is no terminal.
func hideInput(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, fmt.Errorf("read the terminal's mode: %w", err)
	}
	hidden := *old
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, fmt.Errorf("set the terminal's mode: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, old) }, nil
}
