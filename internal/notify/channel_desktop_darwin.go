package notify

// toast hands the texts over as arguments of the script, so that nothing in them is code.
func toast(m *Message) (argv, env []string, err error) {
	return []string{
		"osascript", "-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run",
		"--", oneLine(m.Title), clip(m.Text, 500),
	}, nil, nil
}
