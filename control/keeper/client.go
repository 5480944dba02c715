package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// held is what the daemon keeps of a run, so that it outlives the keeper.
type held struct {
	state control.RunState
	spec  *control.LaunchSpec
	files map[string]*os.File // out, err, pid
	mine  bool                // its keeper is dead and this process is its parent now
	ended *ending             // how it ended, if we were its parent
}

func (h *held) close() {
	for _, f := range h.files {
		_ = f.Close()
	}
	h.files = nil
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

// redialAfter is the wait between two attempts to reach a keeper.
const redialAfter = 100 * time.Millisecond

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
		if !failed {
			failed = true
			c.o.Log.Warn("no keeper", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(redialAfter):
		}
	}
}

// connect dials the keeper, and starts one when nobody answers. A second keeper of a folder ends by itself.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	nc, err := dialSocket(c.o.Dir)
	if err == nil {
		return newConn(nc), nil
	}
	if err := c.startKeeper(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		if nc, err = dialSocket(c.o.Dir); err == nil {
			return newConn(nc), nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("the keeper that was started does not answer: %w", err)
}

// session talks over one connection until it ends.
func (c *Client) session(ctx context.Context, cn *conn, first bool) error {
	defer cn.close()
	defer context.AfterFunc(ctx, cn.close)()
	if err := cn.send(&message{Op: opHello, Protocol: protocol, Build: c.o.Build, PID: os.Getpid()}); err != nil {
		return err
	}
	_ = cn.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	hello, _, err := cn.receive()
	if err != nil {
		return fmt.Errorf("greet keeper: %w", err)
	}
	if err := hello.Error.err(); err != nil {
		return fmt.Errorf("greet keeper: %w", err)
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
		m, files, err := cn.receive()
		if err != nil {
			return fmt.Errorf("the keeper has hung up: %w", err)
		}
		switch m.Op {
		case pushExit:
			c.drop(m.Exit.Run)
			select {
			case c.exits <- *m.Exit:
			case <-ctx.Done():
			}
		case pushRun:
			c.hold(m, files)
		default:
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

// hold keeps the descriptors of a run. Those it has had longer stay: they are the same pipes, and an older handle of a process
// knows all that a newer one does.
func (c *Client) hold(m *message, files []*os.File) {
	if m.State == nil {
		closeAll(files)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[m.State.Run]
	if h == nil {
		h = &held{files: map[string]*os.File{}}
		c.held[m.State.Run] = h
	}
	if m.State.PID != 0 || h.state.Run == "" {
		h.state = *m.State
	}
	if m.Launch != nil {
		h.spec = m.Launch
	}
	for i, name := range m.FDs {
		if h.files[name] == nil {
			h.files[name] = files[i]
		} else {
			_ = files[i].Close()
		}
	}
}

// keeps says whether a process is the main one of a run that is held.
func (c *Client) keeps(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		if h.state.PID == pid {
			return true
		}
	}
	return false
}

// dropOthers closes what is held of runs that the keeper does not know: they never began.
func (c *Client) dropOthers(known []control.RunState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for run, h := range c.held {
		if !slices.ContainsFunc(known, func(s control.RunState) bool { return s.Run == run }) {
			delete(c.held, run)
			h.close()
		}
	}
}

// drop closes what is held of a run that has ended.
func (c *Client) drop(run string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[run]; h != nil {
		delete(c.held, run)
		h.close()
	}
}

// giveOver hands the runs of a keeper that is dead to the one that took its place, and tells it when that is all.
func (c *Client) giveOver(ctx context.Context, cn *conn, to keeperID) error {
	c.mu.Lock()
	done := c.given == to
	runs := slices.Collect(maps.Keys(c.held))
	if !c.met {
		runs = nil // what is held came from this one
	}
	c.met = true
	c.mu.Unlock()
	if done {
		return nil
	}
	if len(runs) > 0 { // a run whose beginning was not told in time has its number from the new keeper
		answer, err := c.ask(ctx, cn, &message{Op: opRuns})
		if err != nil {
			return err
		}
		for i := range answer.States {
			c.number(&answer.States[i])
		}
	}
	for _, run := range runs {
		m, files := c.adoption(ctx, run)
		if m == nil {
			continue
		}
		_, err := c.ask(ctx, cn, m, files...)
		closeAll(files)
		if err != nil {
			return err
		}
	}
	_, err := c.ask(ctx, cn, &message{Op: opGiven})
	if errors.Is(err, control.ErrNotConnected) || ctx.Err() != nil {
		return err
	}
	c.mu.Lock() // a keeper that does not know the word waits for nothing
	defer c.mu.Unlock()
	c.given = to
	return nil
}

// number notes which process a held run is.
func (c *Client) number(s *control.RunState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[s.Run]; h != nil && h.state.PID == 0 {
		h.state = *s
		h.state.Exit = nil
	}
}

// adoption makes the message that hands a run over, with second descriptors which the caller closes; nil = it is held no more.
// If this process is the parent of the run now, it begins to wait for its end.
func (c *Client) adoption(ctx context.Context, run string) (*message, []*os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[run]
	if h == nil {
		return nil, nil
	}
	if !h.mine && childOfOurs(h.state.PID) {
		h.mine = true
		own, _ := duplicateOrNil(h.files["pid"]) // without one a thread waits
		go c.tellEnd(ctx, run, h.state.PID, own)
	}
	state := h.state
	m := &message{Op: opAdopt, State: &state, Launch: h.spec, Mine: h.mine, Status: h.ended}
	var files []*os.File
	for name, f := range h.files {
		if d, err := duplicate(f); err == nil {
			m.FDs, files = append(m.FDs, name), append(files, d)
		}
	}
	return m, files
}

// duplicateOrNil is duplicate for a file that may not be there.
func duplicateOrNil(f *os.File) (*os.File, error) {
	if f == nil {
		return nil, nil
	}
	return duplicate(f)
}

// tellEnd waits for the end of a run whose parent this process became, and tells the keeper how it ended.
func (c *Client) tellEnd(ctx context.Context, run string, pid int, handle *os.File) {
	e := waitChild(pid, handle)
	c.mu.Lock()
	if h := c.held[run]; h != nil { // the next keeper is told too, should this one die before it has written it down
		h.ended, h.mine = e, e != nil
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := c.call(ctx, &message{Op: opReaped, Run: run, Status: e}); err == nil {
			return
		}
	}
}
