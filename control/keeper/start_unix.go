//go:build unix

package keeper

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"controlcenter/internal/private"
)

// startKeeper starts a keeper process in a session of its own, with only what it needs of our environment. ended is
// closed when it has ended.
func (c *Client) startKeeper() (ended <-chan struct{}, err error) {
	if err := private.Dir(c.o.Dir); err != nil {
		return nil, fmt.Errorf("make keeper's folder: %w", err)
	}
	path, err := c.binary()
	if err != nil {
		return nil, err
	}
	log, err := keeperLog(c.o.Dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, c.arguments()...) //nolint:gosec,noctx // our own binary, which is to outlive us
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "LANG", "XDG_RUNTIME_DIR", "GOCOVERDIR", "GORACE", "TZ":
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	over := make(chan struct{})
	go func() { defer close(over); _ = cmd.Wait() }() // it outlives us, or ends because it is not needed
	return over, nil
}
