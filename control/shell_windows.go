package control

func shell(command string) []string { return []string{"cmd.exe", "/C", command} }
