//go:build !windows

package control

func shell(command string) []string { return []string{"/bin/sh", "-c", command} }
