package control

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"controlcenter/internal/event"
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
	nextRun  time.Time
	waiters  []waiter
	answers  []func() // to callers; given after what they tell of is stored and published
	reports  []Run    // whose last lines are to be kept
	unsaved  []*change
	lost     bool // the store does not take it
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
	defer s.wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := func() *time.Timer { t := time.NewTimer(time.Hour); t.Stop(); return t }
	s.deadline, s.settle, s.flush, s.sched = timer(), timer(), timer(), timer()
	defer func() {
		for _, t := range []*time.Timer{s.deadline, s.settle, s.flush, s.sched} {
			t.Stop()
		}
		s.commit(context.WithoutCancel(ctx))
	}()
	s.schedule()
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
		}
		s.commit(ctx)
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

// move gives the machine a signal and keeps the books of what follows from it. It carries nothing out and writes nothing.
func (s *service) move(in input, c cause) ([]effect, error) {
	in.gen = s.mach.gen
	rule := find(s.mach, in)
	if rule != nil && rule.asksPolicy() {
		in.verdict = s.verdict(in.sig)
	}
	before := s.mach
	next, effects, err := step(s.mach, in)
	if err != nil || rule == nil {
		return nil, err
	}
	s.mach, s.dirty = next, s.dirty || next != before
	if next.state != before.state {
		s.rec.State, s.rec.Since, s.rec.Reason = next.state, time.Now().UTC(), c.why
		s.retryAt = time.Time{}
	}
	if slices.Contains(effects, doLaunch) {
		s.newRun(c, before)
	}
	if next.state.Final() {
		s.rec.PID, s.rec.StartTicks = 0, 0
	}
	s.log(before, in, c)
	return effects, nil
}

// newRun prepares the books for a launch of the generation the machine has counted to.
func (s *service) newRun(c cause, before machine) {
	if before.proc != none && s.ended.next.trigger != "" {
		c = s.ended.next // the second half of a restart that was asked for
	}
	if s.spec.Type == TypeJob && c.trigger == "restart" {
		c.trigger = "retry"
	}
	if c.trigger == "restart" || c.trigger == "retry" {
		s.rec.Restarts++
	} else {
		s.diedAt = time.Time{}
	}
	s.rec.Gen, s.rec.Run, s.rec.Trigger = s.mach.gen, newRunID(), c.trigger
	s.rec.PID, s.rec.StartTicks, s.rec.BootID = 0, 0, s.m.o.BootID
	s.rec.StartedAt = time.Now().UTC()
	s.ended, s.settled, s.changed, s.waiting, s.grace = end{}, false, false, "", 0
	s.health, s.probes = HealthUnknown, nil
	s.said.Store(&notice{})
	s.cur = Run{
		ID: s.rec.Run, Service: s.rec.Spec.ID, Gen: s.rec.Gen, Trigger: c.trigger, Actor: c.actor, StartedAt: s.rec.StartedAt, Result: ResultRunning, Reason: c.why,
	}
	s.pending.runs = append(s.pending.runs, s.cur)
}

// perform carries effects out. What could block runs beside the owner and reports to its inbox.
func (s *service) perform(ctx context.Context, moved bool, effects []effect) {
	if moved {
		s.deadline.Stop()
	}
	for _, e := range effects {
		switch e {
		case doArm:
			s.deadline.Reset(s.allowed())
		case doLaunch:
			s.launch(ctx)
		case doTerm:
			s.term(ctx)
		case doKill:
			s.kill(ctx)
		case doReload:
			s.tellSignal(ctx, s.spec.Reload)
		case doAsk:
			s.ask(ctx)
		case doWatch:
			s.watch(ctx)
		}
	}
	if s.mach.proc == none {
		s.endWatch()
		s.settle.Stop()
	}
}

// allowed is how long the state may last.
func (s *service) allowed() time.Duration {
	switch s.mach.state {
	case Starting:
		if s.mach.proc == pending {
			return launchTimeout + time.Second
		}
		if p := s.spec.Probes.Startup; p != nil {
			// The probe itself says "unwell" at its threshold; this is for one that never says anything.
			return p.Delay.Std() + time.Duration(p.Failure+p.Success)*max(p.Interval.Std(), p.Timeout.Std()) + 10*time.Second
		}
		return settleTime + 10*time.Second // settle comes first
	case Stopping:
		if s.mach.proc == pending {
			return launchTimeout + time.Second
		}
		if s.grace > 0 {
			return s.grace
		}
		return s.spec.Stop.Grace.Std()
	case Backoff:
		s.retryAt = time.Now().UTC().Add(s.backoff)
		return s.backoff
	case Killing:
		return killTime
	}
	return askTime
}

func (s *service) deadlineText() string {
	switch s.mach.state {
	case Starting:
		if s.mach.proc == pending {
			return "the launcher has not answered in " + launchTimeout.String()
		}
		return "it did not come up in time"
	case Stopping:
		return "it did not end within its grace of " + s.allowed().String()
	case Killing:
		return "it was killed and has not gone in " + killTime.String()
	case Backoff:
		return "restarted after a wait of " + s.backoff.Round(time.Millisecond).String()
	}
	return s.rec.Reason
}

// news moves by a signal that is not a command, carries out what follows and writes it down after that: a restart never
// waits for the store.
func (s *service) news(ctx context.Context, sig signal, c cause) {
	before := s.mach
	effects, _ := s.move(input{sig: sig}, c)
	s.perform(ctx, s.mach.state != before.state || s.mach.proc != before.proc || slices.Contains(effects, doArm), effects)
	s.arrived(ctx, before.state)
}

// arrived resolves who waits for the state that was entered, and starts a job's next queued run.
func (s *service) arrived(ctx context.Context, before State) {
	switch {
	case s.mach.state == before:
		return
	case s.mach.state == Stuck:
		s.resolve(waitDown, errorf(ErrTimeout, "stop %q: %s", s.rec.Spec.ID, s.rec.Reason))
	case s.mach.state.Final() || s.mach.state == Backoff:
		s.resolve(waitDown, nil)
		if s.mach.state == Stopped {
			s.resolve(waitSettled, errorf(ErrConflict, "it was stopped meanwhile"))
			s.resolve(waitReady, errorf(ErrConflict, "it was stopped meanwhile"))
		}
	}
	if s.mach.state.Final() && s.queued > 0 {
		s.queued--
		s.startItself(ctx, cause{actor: system, why: "it was due while the run before went on", trigger: "queue"})
	}
}

// startItself starts a job's run by itself.
func (s *service) startItself(ctx context.Context, c cause) {
	before := s.mach
	effects, err := s.move(input{sig: sigStart}, c)
	if err != nil {
		s.note(event.Warning, "job.skipped", "not started: "+err.Error(), c, nil)
		return
	}
	s.perform(ctx, s.mach != before, effects)
}

// commit writes what the last message changed and publishes it. What the store does not take is kept and tried again.
func (s *service) commit(ctx context.Context) {
	changed := s.dirty || !s.pending.empty()
	if changed {
		s.unsaved = append(s.unsaved, s.take())
	}
	for len(s.unsaved) > 0 {
		if err := s.m.writer.save(ctx, s.unsaved[0]); err != nil {
			s.notSaved(err)
			break
		}
		s.acknowledge(ctx, s.unsaved[0].acks)
		s.unsaved = slices.Delete(s.unsaved, 0, 1)
		if len(s.unsaved) == 0 && s.lost {
			s.lost = false
			s.m.o.Log.Info("service recorded again", "service", s.key)
		}
	}
	if changed || s.show {
		s.publish(changed || s.tell)
	}
	for _, answer := range s.answers {
		answer()
	}
	for _, r := range s.reports {
		s.report(ctx, r)
	}
	s.answers, s.reports = nil, nil
}

// answer gives a caller its answer at the end of the present message.
func (s *service) answer(reply chan<- error, err error) {
	s.answers = append(s.answers, func() { reply <- err })
}

func (s *service) notSaved(err error) {
	if !s.lost {
		s.lost = true
		s.m.o.Log.Error("record service", "service", s.key, "err", err)
	}
	if extra := len(s.unsaved) - unsavedMax; extra > 0 {
		s.unsaved = slices.Delete(s.unsaved, 0, extra)
	}
	s.flush.Reset(flushTime)
}

// take turns the books into a change.
func (s *service) take() *change {
	rec := s.rec
	c := s.pending
	c.key, c.rec = s.key, &rec
	s.pending, s.dirty = change{}, false
	return &c
}

func (s *service) describe() *Status {
	st := &Status{
		given: s.rec.Spec, Number: s.rec.Number, ID: s.rec.Spec.ID, Key: s.key, Spec: s.spec, Origin: s.rec.Origin, CreatedAt: s.rec.CreatedAt, UpdatedAt: s.rec.UpdatedAt,
		State: s.mach.state, Since: s.rec.Since, Reason: s.rec.Reason, Waiting: s.waiting, Wanted: s.rec.Wanted, Health: s.health, Settled: s.settled,
		RestartNeeded: s.changed && s.mach.proc != none, Gen: s.rec.Gen, Run: s.rec.Run, PID: s.rec.PID, StartTicks: s.rec.StartTicks, StartedAt: s.rec.StartedAt,
		RetryAt: s.retryAt, Starts: s.rec.Starts, Restarts: s.rec.Restarts, Crashes: s.rec.Crashes, LastExit: s.rec.LastExit, Probes: s.probes,
		readiness: s.spec.Probes.Readiness != nil,
	}
	if s.rec.Starts == 0 && s.rec.PID == 0 {
		st.StartedAt = time.Time{}
	}
	if s.spec.Type == TypeJob {
		st.Job = &JobStatus{NextRun: s.nextRun, LastSuccess: s.rec.LastSuccess, Results: s.rec.Results, Queued: s.queued}
	}
	return st
}

func (s *service) publish(tell bool) {
	st := s.describe()
	old := s.pub.Swap(&published{st, make(chan struct{})})
	if old != nil {
		close(old.next)
	}
	s.show, s.tell = false, false
	if tell {
		s.m.o.Bus.Publish(Changed{st})
	}
}

// acknowledge tells the launcher that the ends of runs are recorded.
func (s *service) acknowledge(ctx context.Context, ids []string) {
	for _, id := range ids {
		s.async(func() {
			ctx, cancel := context.WithTimeout(ctx, launchTimeout)
			defer cancel()
			if err := s.m.o.Launcher.Ack(ctx, id); err != nil && ctx.Err() == nil {
				s.m.o.Log.Warn("acknowledge exit", "service", s.key, "run", id, "err", err)
			}
		})
	}
}

// note adds a row to the history.
func (s *service) note(level, kind, title string, c cause, data map[string]string) {
	if c.actor == "" {
		c.actor = system
	}
	s.pending.rows = append(s.pending.rows, event.Row{
		At: time.Now().UTC(), Type: kind, Level: level, Subject: s.rec.Spec.ID, Actor: c.actor, Title: title, Why: c.why, Data: data,
	})
}

// log writes down a move that people want to know of.
func (s *service) log(before machine, in input, c cause) {
	name := s.spec.DisplayName
	data := map[string]string{"from": before.state.String(), "to": s.mach.state.String()}
	if s.rec.Run != "" {
		data["run"] = s.rec.Run
	}
	if in.sig.command() {
		s.note(event.Info, "service."+in.sig.String(), fmt.Sprintf("%s: %s asked for", name, in.sig), c, data)
		return
	}
	if s.mach.state == before.state {
		return
	}
	switch s.mach.state {
	case Running:
		s.note(event.Success, "service.up", name+" is up", c, data)
	case Stuck:
		s.note(event.Error, "service.stuck", name+" cannot be ended", c, data)
	case Unknown:
		s.note(event.Warning, "service.unknown", "nobody can tell whether "+name+" runs", c, data)
	case Failed:
		s.note(event.Error, "service.failed", name+" has failed and is not started again", c, data)
	case Killing:
		s.note(event.Warning, "service.killing", name+" is killed", c, data)
	}
}
