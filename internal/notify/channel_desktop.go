package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"time"
)

// desktop shows the message to who sits before this machine, by the platform's own program: shoutrrr has no such service. It
// works where the daemon runs in that user's session.
type desktop struct{}

// sessionVars are all that the program gets of our environment, which may hold secrets: what leads to the user's session.
var sessionVars = []string{
	"PATH", "HOME", "USER", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR",
	"SystemRoot", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", "PATHEXT", "PSModulePath",
}

func openDesktop(_ *ChannelSettings, u *url.URL) (channel, error) {
	if u.Host != "" || u.RawQuery != "" {
		return nil, errors.New("has more than a scheme; accepted: desktop://")
	}
	return desktop{}, nil
}

func (desktop) send(ctx context.Context, m *Message) error {
	argv, env, err := toast(m)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // a program of ours; texts are arguments or variables, never code
	for _, name := range sessionVars {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, clip(oneLine(string(out)), snippet))
	}
	return nil
}
