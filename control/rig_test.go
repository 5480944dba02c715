package control

import (
	"context"
	"errors"
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
		db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
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
		Store: r.db, Bus: &event.Bus{}, Launcher: r.f, Log: slog.New(slog.DiscardHandler), BootID: r.boot, Files: r.files,
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
