package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// behaviour is what a fake process does.
type behaviour struct {
	life       time.Duration // then it ends with code; 0 = it goes on
	code       int
	ignoreTerm bool
	ignoreKill bool
	refuse     *LaunchError
	lose       bool // the answer to its launch is lost
	never      bool // with lose: and it was not started
	slow       time.Duration
}

// fakeLauncher is the only seam of the package: processes without processes. It outlives managers, as the keeper does.
type fakeLauncher struct {
	mu       sync.Mutex
	runs     map[string]*fakeRun
	launched []string // "service@offset" in order
	signals  []string
	begin    time.Time
	behave   map[string]func(n int) behaviour
	count    map[string]int
	nextPID  int
	exits    chan Exit
	acks     map[string]int
	keepAcks bool // acknowledgements get lost
	down     bool
	faults   []string
}

type fakeRun struct {
	RunState
	behaviour
	spec LaunchSpec
}

func newFake() *fakeLauncher {
	return &fakeLauncher{runs: map[string]*fakeRun{}, behave: map[string]func(int) behaviour{}, count: map[string]int{}, acks: map[string]int{}, exits: make(chan Exit, 100_000), begin: time.Now(), nextPID: 100}
}

func (f *fakeLauncher) does(service string, b ...behaviour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behave[service] = func(n int) behaviour { return b[min(n, len(b)-1)] }
}

func (f *fakeLauncher) Launch(ctx context.Context, l LaunchSpec) (Started, error) {
	f.mu.Lock()
	b := behaviour{}
	if fn := f.behave[l.Service]; fn != nil {
		b = fn(f.count[l.Service])
	}
	f.count[l.Service]++
	f.mu.Unlock()
	if b.slow > 0 {
		time.Sleep(b.slow)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.launched = append(f.launched, fmt.Sprintf("%s@%s", l.Service, time.Since(f.begin).Round(time.Millisecond)))
	if f.down {
		return Started{}, ErrNotConnected
	}
	for _, r := range f.runs {
		if r.Service == l.Service && r.Exit == nil {
			f.faults = append(f.faults, "second copy of "+l.Service)
		}
	}
	if f.runs[l.Run] != nil {
		f.faults = append(f.faults, "run id used twice: "+l.Run)
	}
	if b.refuse != nil {
		return Started{}, b.refuse
	}
	if b.lose && b.never {
		return Started{}, errors.New("connection reset")
	}
	f.nextPID++
	st := Started{Run: l.Run, PID: f.nextPID, StartTicks: uint64(f.nextPID) * 10, At: time.Now()}
	f.runs[l.Run] = &fakeRun{RunState{Started: st, Service: l.Service, Gen: l.Gen}, b, l}
	if b.life > 0 {
		time.AfterFunc(b.life, func() { f.end(l.Run, &b.code, "") })
	}
	if b.lose {
		return Started{}, errors.New("connection reset")
	}
	return st, nil
}

// end ends a run by itself.
func (f *fakeLauncher) end(run string, code *int, signal string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endLocked(run, code, signal)
}

func (f *fakeLauncher) endLocked(run string, code *int, signal string) {
	r := f.runs[run]
	if r == nil || r.Exit != nil {
		return
	}
	r.Exit = &Exit{Run: run, Service: r.Service, Code: code, Signal: signal, At: time.Now(), Usage: Usage{UserSeconds: 1}}
	f.exits <- *r.Exit
}

// alive returns the living run of a service.
func (f *fakeLauncher) alive(service string) *fakeRun {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.runs {
		if r.Service == service && r.Exit == nil {
			return r
		}
	}
	return nil
}

func (f *fakeLauncher) crash(service string, code int) {
	if r := f.alive(service); r != nil {
		f.end(r.Run, &code, "")
	}
}

func (f *fakeLauncher) Signal(_ context.Context, run, signal string, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.runs[run]
	if r == nil {
		f.faults = append(f.faults, "signal to nobody: "+run)
		return nil
	}
	f.signals = append(f.signals, r.Service+" "+signal)
	if slices.Contains([]string{"SIGTERM", "SIGINT"}, signal) && !r.ignoreTerm {
		f.endLocked(run, nil, signal)
	}
	return nil
}

func (f *fakeLauncher) KillTree(_ context.Context, run string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[run]; r != nil {
		f.signals = append(f.signals, r.Service+" kill")
		if !r.ignoreKill {
			f.endLocked(run, nil, "SIGKILL")
		}
	}
	return nil
}

func (f *fakeLauncher) Hold(context.Context, string) error { return nil }

func (f *fakeLauncher) Runs(context.Context) ([]RunState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, ErrNotConnected
	}
	var out []RunState
	for _, r := range f.runs {
		out = append(out, r.RunState)
	}
	slices.SortFunc(out, func(a, b RunState) int { return cmp.Compare(a.Run, b.Run) })
	return out, nil
}

func (f *fakeLauncher) Exits() <-chan Exit { return f.exits }

func (f *fakeLauncher) Ack(_ context.Context, run string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acks[run]++
	if !f.keepAcks {
		delete(f.runs, run)
	}
	return nil
}

func (f *fakeLauncher) launches() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.launched, " ")
}

// rig is a manager over a real store in a bubble.
type rig struct {
	*Manager
	t     *testing.T
	f     *fakeLauncher
	db    *store.Store
	lines map[string][]string // by service
	files []Definition
	boot  string
	edit  func(*Options)
	end   func()
	mu    sync.Mutex
}

// bubble runs fn with a rig in fake time. specs are definitions by name, as JSON; they are owned by the file.
func bubble(t *testing.T, specs map[string]string, fn func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, f: newFake(), lines: map[string][]string{}, boot: "boot-1"}
		db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		r.db = db
		defer db.Close()
		for name, text := range specs {
			r.files = append(r.files, Definition{parsed(t, name, text), "controlcenter.yaml:" + name})
		}
		r.start()
		fn(r)
		r.stop()
		for _, fault := range r.f.faults {
			t.Errorf("launcher: %s", fault)
		}
	})
}

func parsed(t testing.TB, name, text string) *Spec {
	t.Helper()
	s, err := ParseSpec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.ID = name
	if len(s.Command) == 0 && s.Template == "" {
		s.Command = []string{"/bin/" + name}
	}
	return s
}

// start begins the life of a daemon.
func (r *rig) start() {
	r.t.Helper()
	o := Options{
		Store: r.db, Bus: &event.Bus{}, Launcher: r.f, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), BootID: r.boot, Files: r.files,
		Getenv: func(string) (string, bool) { return "", false },
		Tail: func(_ context.Context, service, _ string, n int) ([]string, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			l := r.lines[service]
			return l[max(len(l)-n, 0):], nil
		},
		Lines: func(_ context.Context, service, _ string, after int64) ([]string, int64, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			l := r.lines[service]
			return l[min(int(after), len(l)):], int64(len(l)), nil
		},
	}
	if r.edit != nil {
		r.edit(&o)
	}
	m, err := New(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			r.t.Errorf("run: %v", err)
		}
	})
	r.Manager = m
	r.end = func() { cancel(errors.New("the daemon ends")); wg.Wait() }
}

func (r *rig) stop() { r.end() }

// restart ends the daemon and starts another one, after having been away for a time in which f is done.
func (r *rig) restart(f func()) {
	r.stop()
	if f != nil {
		f()
	}
	r.start()
	synctest.Wait()
}

func (r *rig) say(service, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[service] = append(r.lines[service], line)
}

// do carries out "start a", "stop a" ...
func (r *rig) do(command string) error {
	verb, name, _ := strings.Cut(command, " ")
	_, err := r.Do(r.t.Context(), Command{Service: name, Verb: Verb(verb), Actor: "tester"})
	return err
}

func (r *rig) must(commands ...string) {
	r.t.Helper()
	for _, c := range commands {
		if err := r.do(c); err != nil {
			r.t.Fatalf("%s: %v", c, err)
		}
	}
}

func (r *rig) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is checks the states of services: "a running b stopped".
func (r *rig) is(want string) {
	r.t.Helper()
	synctest.Wait()
	var got []string
	words := strings.Fields(want)
	for i := 0; i < len(words); i += 2 {
		st, err := r.Get(words[i])
		if err != nil {
			r.t.Fatal(err)
		}
		got = append(got, words[i], st.State.String())
	}
	if g := strings.Join(got, " "); g != want {
		r.t.Errorf("after %s: got %q, want %q", time.Since(r.f.begin), g, want)
	}
}

func (r *rig) status(name string) *Status {
	r.t.Helper()
	synctest.Wait()
	st, err := r.Get(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

// history returns types of events of a service, oldest first.
func (r *rig) history(name string) string {
	r.t.Helper()
	rows, _, err := r.Events(r.t.Context(), event.Query{Subject: name, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, row := range slices.Backward(rows) {
		out = append(out, strings.TrimPrefix(row.Type, "service."))
	}
	return strings.Join(out, " ")
}

// results returns "trigger:result" of the runs, oldest first.
func (r *rig) results(name string) string {
	r.t.Helper()
	synctest.Wait()
	all, err := r.Runs(r.t.Context(), name, "", 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, run := range slices.Backward(all) {
		out = append(out, run.Trigger+":"+string(run.Result))
	}
	return strings.Join(out, " ")
}
