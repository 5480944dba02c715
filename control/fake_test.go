package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
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

// times returns how often a service was launched.
func (f *fakeLauncher) times(service string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[service]
}

// sent returns the signals so far, "a SIGTERM, a kill".
func (f *fakeLauncher) sent() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.signals, ", ")
}

// loseAcks makes acknowledgements get lost from now on.
func (f *fakeLauncher) loseAcks() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keepAcks = true
}
