package app

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// reloadSignal is nil: Windows has no such signal; POST /-/reload does the same.
func reloadSignal() os.Signal { return nil }

// privateUmask does nothing: the folder's access list, inherited from the user's profile, guards the socket.
func privateUmask() (restore func()) { return func() {} }

func isOurs(os.FileInfo) bool { return true } // the access list of the user's temporary folder guards it

// addressInUse knows the error of Windows beside that of the syscall package.
func addressInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }
