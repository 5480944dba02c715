//go:build !windows && !darwin

package cli

func browser(path string) []string { return []string{"xdg-open", path} }
