package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// group runs the parts of the daemon and ends them one by one, the last started first. A part is a function that blocks until
// its context ends and returns after everything it started has ended.
type group struct {
	parent context.Context //nolint:containedctx // the group lives exactly as long as one call of run
	parts  []*part
	failed chan error
}

type part struct {
	name   string
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	close  func() error // after it ended; nil = nothing
}

func newGroup(ctx context.Context) *group {
	return &group{parent: context.WithoutCancel(ctx), failed: make(chan error, 1)}
}

// run starts a part. When it returns before it was told to, the group ends with its error.
func (g *group) run(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancelCause(g.parent)
	p := &part{name: name, cancel: cancel}
	g.parts = append(g.parts, p)
	p.wg.Go(func() {
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		select {
		case g.failed <- fmt.Errorf("%s: %w", name, err):
		default: // the first failure is the one that counts
		}
	})
}

// hold makes the group close something when everything that was started after it has ended.
func (g *group) hold(name string, closer func() error) {
	g.parts = append(g.parts, &part{name: name, cancel: func(error) {}, close: closer})
}

// wait blocks until ctx ends or a part fails, and says why.
func (g *group) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-g.failed:
		return err
	}
}

// stop ends all parts in reverse order and returns err, with what could not be closed.
func (g *group) stop(err error) error {
	for _, p := range slices.Backward(g.parts) {
		p.cancel(errStopped)
		p.wg.Wait()
		if p.close != nil {
			if cerr := p.close(); cerr != nil {
				err = errors.Join(err, fmt.Errorf("close %s: %w", p.name, cerr))
			}
		}
	}
	return err
}
