package cli

func browser(path string) []string { return []string{"rundll32", "url.dll,FileProtocolHandler", path} }
