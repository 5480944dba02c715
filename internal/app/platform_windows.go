package app

import "os"

// reloadSignal is nil: Windows has no such signal; POST /-/reload does the same.
func reloadSignal() os.Signal { return nil }

// privateUmask does nothing: the folder's access list, inherited from the user's profile, guards the socket.
func privateUmask() (restore func()) { return func() {} }
