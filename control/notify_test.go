//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

func TestServiceIsToldHowOftenItMustSpeak(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m, err := New(t.Context(), Options{
		Store: db, Bus: &event.Bus{}, Launcher: newFake(), NotifyDir: "/n", Getenv: func(string) (string, bool) { return "", false },
		Files: []Definition{
			{parsed(t, "dog", `{"watchdog": "1m30s"}`), "f:1"},
			{parsed(t, "ready", `{"probes": {"readiness": {"notify": true}}}`), "f:2"},
			{parsed(t, "own", `{"watchdog": "10s", "env": {"WATCHDOG_USEC": "5"}}`), "f:3"},
			{parsed(t, "plain", `{}`), "f:4"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"dog":   "NOTIFY_SOCKET=/n/dog.notify WATCHDOG_USEC=90000000",
		"ready": "NOTIFY_SOCKET=/n/ready.notify",
		"own":   "WATCHDOG_USEC=5 NOTIFY_SOCKET=/n/own.notify",
		"plain": "",
	} {
		s, err := m.find(name)
		if err != nil {
			t.Fatal(err)
		}
		env, err := s.environ(t.Context(), s.status().Spec)
		if got := strings.Join(env, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	a, b := parsed(t, "a", `{}`), parsed(t, "a", `{"watchdog": "10s"}`)
	if !launchDiffers(a, b) {
		t.Error("a process that was told of no watchdog passes for one that was")
	}
}

// A real socket and real time: a bubble's clock would stand still while the socket is waited for.
func TestServiceSaysItIsReadyOverItsSocket(t *testing.T) {
	for _, stopped := range []bool{false, true} { // before the daemon ends
		t.Run(fmt.Sprintf("stopped=%v", stopped), func(t *testing.T) { readyOverSocket(t, stopped) })
	}
}

func readyOverSocket(t *testing.T, stopped bool) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f := newFake()
	m, err := New(t.Context(), Options{
		Store: db, Bus: &event.Bus{}, Launcher: f, NotifyDir: t.TempDir(), Getenv: func(string) (string, bool) { return "", false },
		Files: []Definition{{parsed(t, "a", `{"probes": {"readiness": {"notify": true, "interval": "100ms"}}}`), "f:1"}, {parsed(t, "b", `{}`), "f:2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	for _, name := range []string{"a", "b"} {
		if _, err := m.Do(ctx, Command{Service: name, Verb: VerbStart}); err != nil {
			t.Fatal(err)
		}
	}
	if env := f.alive("b").spec.Env; len(env) != 0 {
		t.Errorf("a service that does not ask for a socket has %v", env)
	}
	path, ok := strings.CutPrefix(strings.Join(f.alive("a").spec.Env, " "), "NOTIFY_SOCKET=")
	if !ok {
		t.Fatalf("environment %v", f.alive("a").spec.Env)
	}
	if st, _ := m.Get("a"); st.Health == Healthy {
		t.Error("healthy before it has said so")
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("STATUS=loaded\nREADY=1")); err != nil {
		t.Fatal(err)
	}
	limited, stop := context.WithTimeout(ctx, 60*time.Second)
	defer stop()
	s, err := m.find("a")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := s.await(limited, func(st *Status) bool { return st.Health == Healthy }); err != nil {
		t.Errorf("%s: %v", st.Health, err)
	}
	if stopped {
		if _, err := m.Do(ctx, Command{Service: "a", Verb: VerbStop}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
	if _, err := os.Stat(path); stopped != errors.Is(err, os.ErrNotExist) {
		t.Errorf("the daemon has ended, service stopped: %v; its socket: %v", stopped, err)
	}
}
