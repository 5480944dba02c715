//go:build !linux

package store

// lockHolder knows nothing here; the holder's own note in state.pid tells.
func lockHolder(string) (pid int, command string) { return 0, "" }
