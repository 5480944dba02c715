//go:build !windows && !darwin

package notify

func toast(m *Message) (argv, env []string, err error) {
	urgency := map[Severity]string{Info: "low", Warning: "normal", Critical: "critical"}[m.Severity]
	return []string{"notify-send", "--app-name=Control Center", "--urgency=" + urgency, "--", oneLine(m.Title), clip(m.Text, 500)}, nil, nil
}
