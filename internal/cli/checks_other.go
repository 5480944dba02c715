//go:build !linux

package cli

// clockSync: only Linux tells without privileges.
func clockSync() string { return "synchronisation unknown on this platform" }
