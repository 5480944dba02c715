package probe

import (
	"context"
	"errors"
)

// notifyKind is readiness as the service itself tells it, by READY=1 over the socket named in $NOTIFY_SOCKET.
var notifyKind = kind{
	name:  "notify",
	given: func(s *Spec) bool { return s.Notify },
	check: func(*Spec) error { return nil },
	make: func(_ *Spec, t Target) Prober {
		return func(context.Context) error {
			switch {
			case t.Notified == nil:
				return errUnknown
			case !t.Notified():
				return errors.New("READY=1 has not been sent yet")
			}
			return nil
		}
	},
}
