package probe

import (
	"context"
	"fmt"
	"net"
)

var tcpKind = kind{
	name:  "tcp",
	given: func(s *Spec) bool { return s.TCP != "" },
	check: func(s *Spec) error {
		if _, port, err := net.SplitHostPort(s.TCP); err != nil || port == "" {
			return fmt.Errorf("%q is not an address such as 127.0.0.1:8080", s.TCP)
		}
		return nil
	},
	make: func(s *Spec, _ Target) Prober {
		address := s.TCP
		return func(ctx context.Context) error {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return c.Close()
		}
	},
}
