package cli

import (
	"context"
	"fmt"

	"golang.org/x/sys/windows/svc"
)

// underManager runs serve; when Windows started this process as a service, it answers the service control manager meanwhile, which
// otherwise would end the process after 30 s.
func underManager(ctx context.Context, serve func(context.Context) error) error {
	is, err := svc.IsWindowsService()
	if err != nil {
		return fmt.Errorf("ask whether this is a service: %w", err)
	}
	if !is {
		return serve(ctx)
	}
	h := &handler{ctx: ctx, serve: serve}
	if err := svc.Run("", h); err != nil { // the name is not used by a process with one service
		return fmt.Errorf("run as a service: %w", err)
	}
	return h.err
}

type handler struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of underManager
	serve func(context.Context) error
	err   error
}

// Execute implements svc.Handler. A serve that ends by itself is reported as a failure, so that the recovery action starts it again.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.serve(ctx) }()
	running := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	status <- running
	for {
		select {
		case h.err = <-done:
			if h.err != nil {
				return true, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- running
			case svc.Stop, svc.Shutdown:
				running = svc.Status{State: svc.StopPending, WaitHint: 30_000}
				status <- running
				cancel()
			default:
			}
		}
	}
}
