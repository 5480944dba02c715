package control

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// settleTime a process must live before a start is answered.
	settleTime = 300 * time.Millisecond
	// launchTimeout is for the launcher's answer; spawning takes milliseconds.
	launchTimeout = 10 * time.Second
	// killTime is how long after SIGKILL a tree may exist before it counts as stuck; the kernel takes milliseconds unless a
	// process waits for a dead disk.
	killTime = 5 * time.Second
	// askTime is between questions to the launcher about a run nobody knows about.
	askTime = time.Second
	// reportAfter is how long the last lines of a crash wait, so that the start that follows it has the processor.
	reportAfter = settleTime / 2
	// flushTime is between attempts to write what the store would not take.
	flushTime = 5 * time.Second
	// unsavedMax bounds what is kept while the store takes nothing.
	unsavedMax = 1000
)

// service is one service with its owner goroutine, run. Only that goroutine touches the fields below "owner".
type service struct {
	m     *Manager
	key   string
	inbox chan any
	done  chan struct{} // closed when it has ended
	pub   atomic.Pointer[published]
	said  atomic.Pointer[notice] // what the present run has said over the notification socket

	// owner
	life
	spec     *Spec  // effective
	pending  change // what the present message changed
	dirty    bool   // life or pending must be stored
	show     bool   // the status must be published
	tell     bool   // and everybody told
	launches int    // calls of Launch that have not returned
	queued   int    // runs of a job that wait for the present one
	logError string // why its log cannot be written
	nextRun  time.Time
	waiters  []waiter
	answers  []func() // to callers; given after what they tell of is stored and published
	reports  []Run    // whose last lines are to be kept
	unsaved  []*change
	lost     bool // the store does not take it
	retry    bool // it is time to try again
	listens  bool // it reads its notification socket
	gone     bool // removed: the owner ends
	unwatch  context.CancelFunc
	deadline *time.Timer
	settle   *time.Timer
	flush    *time.Timer
	sched    *time.Timer
	wg       sync.WaitGroup
}

// life is what a command that could not be stored takes back.
type life struct {
	rec     record
	mach    machine
	cur     Run // row of the run rec.Run
	health  Health
	probes  map[string]ProbeStatus // replaced, never changed
	waiting string
	changed bool // the definition is newer than the run
	settled bool
	backoff time.Duration // of the next Backoff
	retryAt time.Time
	ended   end           // what the present run is being ended for
	diedAt  time.Time     // when the run before ended by itself, for the duration of the restart
	last    runEnd        // what the policy decides on next
	grace   time.Duration // of the present stop, instead of the definition's; 0 = that one
}

type published struct {
	status *Status
	next   chan struct{} // closed when there is a newer one
}

// end says what a run is being ended for.
type end struct {
	result Result
	why    string
	next   cause // of the run that comes after it, if one was asked for
}

// cause says on whose behalf something happens, and why.
type cause struct {
	actor   string
	why     string
	trigger string
}

const system = "system"

// Messages of the inbox, beside [defineMsg] and others declared where they are handled.
type (
	// newsMsg is news of a run.
	newsMsg struct {
		sig     signal
		run     string
		started Started
		err     error
		exit    *Exit
	}
	waitingMsg struct{ text string }
	linesMsg   struct{ run Run }
)

func (s *service) status() *Status { return s.pub.Load().status }

// await returns the first status for which ok is true. It ends with ctx, and with ErrNotFound when the service is removed.
func (s *service) await(ctx context.Context, ok func(*Status) bool) (*Status, error) {
	for {
		p := s.pub.Load()
		if ok(p.status) {
			return p.status, nil
		}
		select {
		case <-p.next:
		case <-s.done:
			return p.status, errorf(ErrNotFound, "service %q was removed", s.key)
		case <-ctx.Done():
			return p.status, context.Cause(ctx)
		}
	}
}

// post hands the owner a message.
func (s *service) post(ctx context.Context, msg any) error {
	select {
	case s.inbox <- msg:
		return nil
	case <-s.done:
		return errorf(ErrNotFound, "service %q was removed", s.key)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// async runs f beside the owner, which waits for it before it ends.
func (s *service) async(f func()) { s.wg.Go(f) }

// run is the owner.
func (s *service) run(ctx context.Context) {
	defer close(s.done)
	defer func() {
		s.wg.Wait()
		s.forgetSocket()
		s.lastLines(context.WithoutCancel(ctx))
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := func() *time.Timer { t := time.NewTimer(time.Hour); t.Stop(); return t }
	s.deadline, s.settle, s.flush, s.sched = timer(), timer(), timer(), timer()
	defer func() {
		for _, t := range []*time.Timer{s.deadline, s.settle, s.flush, s.sched} {
			t.Stop()
		}
		s.retry = true // once more
		s.commit(context.WithoutCancel(ctx))
	}()
	s.schedule()
	s.listen(ctx)
	s.publish(true)
	for !s.gone {
		select {
		case <-ctx.Done():
			return
		case msg := <-s.inbox:
			s.handle(ctx, msg)
		case <-s.deadline.C:
			s.news(ctx, sigDeadline, cause{actor: system, why: s.deadlineText(), trigger: "restart"})
		case <-s.settle.C:
			s.settled, s.show, s.tell = true, true, true
			if s.spec.Probes.Startup == nil {
				s.news(ctx, sigUp, cause{actor: system})
			}
			s.resolve(waitSettled, nil)
		case <-s.sched.C:
			s.due(ctx)
		case <-s.flush.C:
			s.retry = true
		}
		s.commit(ctx)
	}
}

// lastLines writes what was reported of crashes when the owner had ended already. Where the crash itself could not be written its
// row must not be either: the next process takes a run whose row has an end for one that is booked.
func (s *service) lastLines(ctx context.Context) {
	for {
		select {
		case msg := <-s.inbox:
			if lines, ok := msg.(linesMsg); ok && !s.gone && len(s.unsaved) == 0 {
				_ = s.m.writer.save(ctx, &change{key: s.key, runs: []Run{lines.run}}) // they are in the log, too
			}
		default:
			return
		}
	}
}

func (s *service) handle(ctx context.Context, msg any) {
	switch msg := msg.(type) {
	case commandMsg:
		s.command(ctx, msg)
	case newsMsg:
		s.runNews(ctx, msg)
	case probeMsg:
		s.probed(ctx, msg)
	case waitingMsg:
		s.waiting, s.show, s.tell = msg.text, true, true
	case logMsg:
		s.logNews(msg)
	case attachMsg:
		s.attach(ctx, msg)
	case defineMsg:
		s.define(ctx, msg)
	case removeMsg:
		s.remove(ctx, msg)
	case linesMsg:
		s.pending.runs = append(s.pending.runs, msg.run)
	}
}
