package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"controlcenter/control"
)

// call sends a request once there is a keeper, and returns its answer. After an error of the connection the request may have
// been carried out.
func (c *Client) call(ctx context.Context, m *message) (*message, error) {
	for {
		c.mu.Lock()
		cn, joined := c.conn, c.joined
		c.mu.Unlock()
		if cn != nil {
			return c.ask(ctx, cn, m)
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", control.ErrNotConnected, context.Cause(ctx))
		}
	}
}

func (c *Client) ask(ctx context.Context, cn *conn, m *message, files ...*os.File) (*message, error) {
	answer := make(chan *message, 1)
	c.mu.Lock()
	c.nextID++
	m.ID = c.nextID
	c.waiting[m.ID] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, m.ID)
		c.mu.Unlock()
	}()
	if err := cn.send(m, files...); err != nil {
		return nil, fmt.Errorf("%w: %w", control.ErrNotConnected, err)
	}
	select {
	case got, ok := <-answer:
		if !ok {
			return nil, control.ErrNotConnected
		}
		return got, got.Error.err()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: the keeper has not answered: %w", m.Op, context.Cause(ctx))
	}
}

// Launch implements control.Launcher.
func (c *Client) Launch(ctx context.Context, l control.LaunchSpec) (control.Started, error) {
	answer, err := c.call(ctx, &message{Op: opLaunch, Launch: &l})
	if err != nil {
		if _, ok := errors.AsType[*control.LaunchError](err); ok {
			c.drop(l.Run) // its pipes came before it did
		}
		return control.Started{}, err
	}
	if answer.State == nil {
		return control.Started{}, errors.New("launch: the keeper's answer has no run")
	}
	return answer.State.Started, nil
}

// Signal implements control.Launcher.
func (c *Client) Signal(ctx context.Context, run, signal string, tree bool) error {
	_, err := c.call(ctx, &message{Op: opSignal, Run: run, Signal: signal, Tree: tree})
	return err
}

// KillTree implements control.Launcher.
func (c *Client) KillTree(ctx context.Context, run string) error {
	_, err := c.call(ctx, &message{Op: opKill, Run: run})
	return err
}

// Hold implements control.Launcher.
func (c *Client) Hold(ctx context.Context, service string) error {
	_, err := c.call(ctx, &message{Op: opHold, Service: service})
	return err
}

// Runs implements control.Launcher.
func (c *Client) Runs(ctx context.Context) ([]control.RunState, error) {
	answer, err := c.call(ctx, &message{Op: opRuns})
	if err != nil {
		return nil, err
	}
	return answer.States, nil
}

// Exits implements control.Launcher.
func (c *Client) Exits() <-chan control.Exit { return c.exits }

// Ack implements control.Launcher.
func (c *Client) Ack(ctx context.Context, run string) error {
	c.drop(run) // what was passed of a run that ended at once may have come after its end
	_, err := c.call(ctx, &message{Op: opAck, Run: run})
	return err
}

// Quit asks the keeper to end; it refuses while anything runs.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.call(ctx, &message{Op: opQuit})
	return err
}

// countsAge is how old the counts of logs may be.
const countsAge = time.Second

// LogCounts says what a service has logged, from counts at most a second old; false = nothing is known of it. It blocks for
// half a second at most.
func (c *Client) LogCounts(service string) (control.LogCounts, bool) {
	c.countsMu.Lock()
	defer c.countsMu.Unlock()
	if time.Since(c.counted) > countsAge {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		c.counted = time.Now()
		if answer, err := c.call(ctx, &message{Op: opCounts}); err == nil {
			c.counts = answer.Counts
		}
	}
	n, ok := c.counts[service]
	return n, ok
}
