package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// channel sends messages to one place. send may be called again while one is under way.
type channel interface {
	// send returns when the other side took the message, or with an error that holds nothing secret once [mask] went over it.
	// It must honour ctx or be wrapped in [patient].
	send(ctx context.Context, m *Message) error
}

// kind is a row of the table of channels.
type kind struct {
	name    string
	schemes []string
	example string
	open    func(c *ChannelSettings, u *url.URL) (channel, error)
}

// kinds is the table of channels. A new channel is one file and one row here.
func kinds() []kind {
	return append([]kind{
		{"webhook", []string{"http", "https"}, "https://example.com/hook", openWebhook},
		{"desktop", []string{"desktop"}, "desktop://", openDesktop},
	}, shoutrrrKinds()...)
}

// defaultTimeout is how long one attempt may take.
const defaultTimeout = 15 * time.Second

// errURL is said instead of what a parser says, which would quote the URL.
var errURL = errors.New("cannot be read as a URL; accepted: scheme:// and what the service needs")

func kindOf(c *ChannelSettings) (*kind, *url.URL, error) {
	if strings.TrimSpace(c.URL) == "" {
		return nil, nil, errors.New("is empty; accepted: a URL, here or in url_file")
	}
	u, err := url.Parse(strings.TrimSpace(c.URL))
	if err != nil || u.Scheme == "" {
		return nil, nil, errURL
	}
	var schemes []string
	for _, k := range kinds() {
		if slices.Contains(k.schemes, u.Scheme) {
			return &k, u, nil
		}
		schemes = append(schemes, k.schemes...)
	}
	return nil, nil, fmt.Errorf("no channel has the scheme %q; accepted: %s", clip(u.Scheme, 30), strings.Join(schemes, ", "))
}

// openChannel makes the channel of a URL. The error says nothing of what is secret in it.
func openChannel(c *ChannelSettings) (channel, error) {
	k, u, err := kindOf(c)
	if err != nil {
		return nil, err
	}
	ch, err := k.open(c, u)
	if err != nil {
		return nil, errors.New(mask(err.Error(), c))
	}
	return ch, nil
}

// attempt sends a message within the channel's timeout; errors are masked.
func attempt(ctx context.Context, ch channel, c *ChannelSettings, m *Message) (err error) {
	limit := cmp.Or(c.Timeout, defaultTimeout)
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	err = ch.send(limited, m)
	if err == nil {
		return nil
	}
	if limited.Err() != nil && ctx.Err() == nil {
		err = context.Cause(limited)
	}
	wait := time.Duration(0)
	if busy, ok := errors.AsType[*busyError](err); ok {
		wait = busy.after
	}
	return &sendError{clip(mask(err.Error(), c), maxError), wait}
}

// sendError is an attempt that failed, masked.
type sendError struct {
	text  string
	after time.Duration // the other side asked to wait so long; 0 = it did not
}

func (e *sendError) Error() string { return e.text }

// busyError is an answer that asks to wait.
type busyError struct {
	error
	after time.Duration
}

// errBusy says that the attempt before has not returned.
var errBusy = errors.New("the attempt before has not ended yet")

// patient runs what cannot be interrupted. When ctx ends first, the call is left alone, and none is begun before it returned.
type patient struct{ free chan struct{} }

func newPatient() *patient {
	p := &patient{make(chan struct{}, 1)}
	p.free <- struct{}{}
	return p
}

func (p *patient) run(ctx context.Context, f func() error) error {
	select {
	case <-p.free:
	default:
		return errBusy
	}
	result := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil { // a library's bug must not end the program
				result <- fmt.Errorf("the library failed: %v", r)
			}
			p.free <- struct{}{}
		}()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
