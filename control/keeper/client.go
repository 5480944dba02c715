package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"controlcenter/control"
)

// ClientOptions are what a client works with. Dir and LogDir are needed.
type ClientOptions struct {
	Dir    string       // of the keeper: socket, lock, journal; made with mode 0700
	LogDir string       // of what services write
	Build  string       // names this binary; a keeper of another one is replaced in place
	Binary string       // "" = this program's file
	Args   []string     // before "keep": for binaries whose keeper is not at the top; nil = none
	Log    *slog.Logger // nil = slog.Default
	// NoGroups starts keepers that use no control groups.
	NoGroups bool
}

// Client is the daemon's side. It implements control.Launcher; its methods may be called from any goroutine and work while
// [Client.Run] runs. They wait for a keeper to be there until their context ends.
type Client struct {
	o     ClientOptions
	exits chan control.Exit

	mu      sync.Mutex
	conn    *conn
	joined  chan struct{} // closed while there is a connection
	waiting map[uint64]chan *message
	nextID  uint64
	held    map[string]*held
	given   keeperID // who has got what is held
	met     bool     // there was a keeper before
	peer    Peer

	countsMu sync.Mutex
	counted  time.Time
	counts   map[string]control.LogCounts
}

// Peer describes the keeper a client talks to.
type Peer struct {
	PID   int
	Build string
	Since time.Time // it was first started
	Up    bool
}

// keeperID tells one keeper process from the next; an upgrade in place changes nothing.
type keeperID struct {
	pid   int
	began time.Time
}

// NewClient makes a client. Nothing happens before Run.
func NewClient(o ClientOptions) *Client {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Client{o: o, exits: make(chan control.Exit, 1024), joined: make(chan struct{}), waiting: map[uint64]chan *message{}, held: map[string]*held{}}
}

// checkTime bounds how long a binary may take to say what it can go on from.
const checkTime = 20 * time.Second

const (
	// redialAfter is the wait between two attempts to reach a keeper.
	redialAfter = 100 * time.Millisecond
	// refusedAfter is the wait after a keeper that this program does not understand: while it is greeted it takes us for its
	// daemon and restarts nothing by itself.
	refusedAfter = time.Minute
)

// errNewer is why a keeper is left alone.
var errNewer = errors.New("start that build, or a later one: services go on meanwhile")

// Run keeps a keeper connected, and starts one where there is none, until ctx ends. The keeper stays.
func (c *Client) Run(ctx context.Context) error {
	if err := becomeParent(); err != nil {
		c.o.Log.Warn("exit codes of services are unknown when their keeper is killed", "err", err)
	}
	var strays sync.WaitGroup
	strays.Go(func() { reapStrays(ctx, c.keeps) })
	defer strays.Wait()
	first := true
	for failed := false; ; {
		cn, err := c.connect(ctx)
		if err == nil {
			failed = false
			err = c.session(ctx, cn, first)
			first = false
		}
		if ctx.Err() != nil {
			c.mu.Lock()
			for _, h := range c.held {
				h.close()
			}
			c.mu.Unlock()
			return context.Cause(ctx)
		}
		wait := redialAfter
		if errors.Is(err, errNewer) {
			wait = refusedAfter
		}
		if !failed {
			failed = true
			c.o.Log.Warn("no keeper", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connect dials the keeper, and starts one when nobody answers. A second keeper of a folder ends by itself.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	nc, err := dialSocket(c.o.Dir)
	if err == nil {
		return newConn(nc), nil
	}
	ended, err := c.startKeeper()
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		if nc, err = dialSocket(c.o.Dir); err == nil {
			return newConn(nc), nil
		}
		select {
		case <-ctx.Done():
		case <-ended: // it was killed, or another one has the folder: whoever comes next is not kept waiting for it
			if nc, err = dialSocket(c.o.Dir); err == nil {
				return newConn(nc), nil
			}
			return nil, fmt.Errorf("the keeper that was started has ended: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the keeper that was started does not answer: %w", err)
}

// session talks over one connection until it ends.
func (c *Client) session(ctx context.Context, cn *conn, first bool) error {
	defer cn.dropRest()
	defer cn.close()
	defer context.AfterFunc(ctx, cn.close)()
	if err := cn.send(&message{Op: opHello, Protocol: protocol, Build: c.o.Build, PID: os.Getpid()}); err != nil {
		return err
	}
	_ = cn.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	hello, fds, err := cn.receive()
	if err != nil {
		return fmt.Errorf("greet keeper: %w", err)
	}
	closeFDs(fds...)
	if err := hello.Error.err(); err != nil {
		return fmt.Errorf("greet keeper: %w", err)
	}
	if hello.Protocol > protocol {
		return fmt.Errorf("the keeper is of build %q and speaks protocol %d, this program only up to %d: %w", hello.Build, hello.Protocol, protocol, errNewer)
	}
	_ = cn.nc.SetReadDeadline(time.Time{})
	c.mu.Lock()
	c.peer = Peer{PID: hello.PID, Build: hello.Build, Since: hello.Started, Up: true}
	c.mu.Unlock()

	var after sync.WaitGroup
	defer after.Wait()
	ended := make(chan struct{})
	defer close(ended)
	after.Go(func() { c.afterHello(ctx, cn, hello, first) })
	defer c.part(cn)
	for {
		m, fds, err := cn.receive()
		if err != nil {
			return fmt.Errorf("the keeper has hung up: %w", err)
		}
		switch m.Op {
		case pushExit:
			closeFDs(fds...)
			c.drop(m.Exit.Run)
			select {
			case c.exits <- *m.Exit:
			case <-ctx.Done():
			}
		case pushRun:
			c.hold(m, fds)
		default:
			closeFDs(fds...)
			c.mu.Lock()
			answer := c.waiting[m.ID]
			delete(c.waiting, m.ID)
			if m.Build != "" {
				c.peer.Build, c.peer.PID = m.Build, m.PID
			}
			c.mu.Unlock()
			if answer != nil {
				answer <- m
			}
		}
	}
}

// afterHello gives a new keeper what the last one had, replaces an old binary, and then lets everybody talk.
func (c *Client) afterHello(ctx context.Context, cn *conn, hello *message, first bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTime+20*time.Second)
	defer cancel()
	if err := c.giveOver(ctx, cn, keeperID{hello.PID, hello.Started}); err != nil {
		c.o.Log.Warn("hand runs over", "err", err)
		cn.close() // and once more
		return
	}
	if hello.Build != c.o.Build && passes {
		if err := c.replace(ctx, cn); err != nil {
			c.o.Log.Warn("the keeper stays as it is", "build", hello.Build, "err", err)
		}
	}
	if !first { // what ended meanwhile
		answer, err := c.ask(ctx, cn, &message{Op: opRuns})
		if err != nil {
			cn.close()
			return
		}
		c.dropOthers(answer.States)
		for i := range answer.States {
			if x := answer.States[i].Exit; x != nil {
				c.drop(x.Run)
				select {
				case c.exits <- *x:
				case <-ctx.Done():
				}
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = cn
	close(c.joined)
}

// part ends the use of a connection: who waits for an answer learns that there will be none.
func (c *Client) part(cn *conn) {
	cn.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == cn {
		c.conn = nil
		c.joined = make(chan struct{})
	}
	c.peer.Up = false
	for id, w := range c.waiting {
		delete(c.waiting, id)
		close(w)
	}
}

// replace makes the keeper go on as this program's binary.
func (c *Client) replace(ctx context.Context, cn *conn) error {
	path, err := c.binary()
	if err != nil {
		return err
	}
	_, err = c.ask(ctx, cn, &message{Op: opUpgrade, Path: path})
	return err
}

// Upgrade replaces the keeper's binary by the file at path, in place: no service notices. It blocks until that is done.
func (c *Client) Upgrade(ctx context.Context, path string) error {
	_, err := c.call(ctx, &message{Op: opUpgrade, Path: path})
	return err
}

func (c *Client) arguments() []string {
	args := append(slices.Clone(c.o.Args), "keep", "-dir", c.o.Dir, "-logs", c.o.LogDir)
	if c.o.NoGroups {
		args = append(args, "-groups=false")
	}
	return args
}

func (c *Client) binary() (string, error) {
	if c.o.Binary != "" {
		return c.o.Binary, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own binary: %w", err)
	}
	return path, nil
}

// Peer says which keeper is there.
func (c *Client) Peer() Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}
