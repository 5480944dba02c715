//go:build !linux

package keeper

import "os"

// allocate reserves nothing: these platforms have no call that leaves the size alone. A full disk is then seen at the write.
func allocate(*os.File, int64, int64) error { return nil }
