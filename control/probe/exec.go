package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

var execKind = kind{
	name:  "exec",
	given: func(s *Spec) bool { return len(s.Exec) > 0 },
	check: func(s *Spec) error {
		if s.Exec[0] == "" {
			return errors.New("must begin with a program")
		}
		return nil
	},
	make: makeExec,
}

// makeExec runs the command in the service's directory and environment. At the timeout its whole process group is killed.
// What it printed last is the reason when it fails.
func makeExec(s *Spec, t Target) Prober {
	argv := s.Exec
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir, cmd.Env = t.Dir, t.Env
		if cmd.Env == nil {
			cmd.Env = []string{} // nil would be the daemon's own, with its secrets
		}
		out := &tail{max: 512}
		cmd.Stdout, cmd.Stderr = out, out
		cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open must not hold the probe up
		if err := isolate(cmd, t.User, t.Group); err != nil {
			return err
		}
		err := cmd.Run()
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			if text := out.String(); text != "" {
				return fmt.Errorf("%w: %s", err, text)
			}
		}
		return err
	}
}

// tail keeps the last bytes written to it.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(len(p)-t.max, 0):]...)
	t.kept = t.kept[max(len(t.kept)-t.max, 0):]
	return len(p), nil
}

// String returns the last line that is not empty.
func (t *tail) String() string {
	text := bytes.TrimSpace(t.kept)
	text = text[bytes.LastIndexByte(text, '\n')+1:]
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
