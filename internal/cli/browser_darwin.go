package cli

func browser(path string) []string { return []string{"open", path} }
