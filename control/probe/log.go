package probe

import (
	"context"
	"fmt"
	"regexp"
)

var logKind = kind{
	name:  "log",
	given: func(s *Spec) bool { return s.Log != "" },
	check: func(s *Spec) error { _, err := regexp.Compile(s.Log); return err },
	make:  makeLog,
}

// makeLog looks at each line of the run once. After a match the answer stays "well": lines scroll away, readiness does not.
func makeLog(s *Spec, t Target) Prober {
	re := regexp.MustCompile(s.Log)
	var at int64
	seen := false
	return func(ctx context.Context) error {
		for !seen {
			if t.Lines == nil {
				return errUnknown
			}
			lines, next, err := t.Lines(ctx, at)
			if err != nil {
				return fmt.Errorf("read log: %w", err)
			}
			for _, l := range lines {
				seen = seen || re.MatchString(l)
			}
			if next == at && !seen {
				return fmt.Errorf("no line has matched %q yet", s.Log)
			}
			at = next
		}
		return nil
	}
}
