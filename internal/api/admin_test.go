package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"controlcenter/internal/store"
)

func TestReload(t *testing.T) {
	answers := make(chan error, 1)
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return <-answers } }, nil)
	answers <- nil
	if r := s.ask("POST", "/-/reload", nil); r.StatusCode != 200 || !strings.Contains(string(r.body), `"success":true`) {
		t.Errorf("reload: %d %s", r.StatusCode, r.body)
	}
	answers <- errors.New("controlcenter.yaml:3:5: unknown key \"wbe\", did you mean \"web\"?")
	m := wantProblem(t, s.ask("POST", "/-/reload", nil), 400, "did you mean")
	wantAt(t, m, "invalid_config", "code")
	wantProblem(t, s.get("/-/reload"), 405, "")
}

func TestBackupAndRestore(t *testing.T) {
	s := start(t, nil, nil)
	octets := []string{"Content-Type", "application/octet-stream"}
	runs := func() int {
		t.Helper()
		list, err := s.store.LastRuns(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	r := s.get("/api/backup")
	if r.StatusCode != 200 || len(r.body) == 0 || r.Header.Get("Content-Type") != "application/octet-stream" ||
		!strings.Contains(r.Header.Get("Content-Disposition"), `filename="controlcenter-`) {
		t.Fatalf("backup: %d, %d bytes, %v", r.StatusCode, len(r.body), r.Header)
	}
	before := runs()
	for range 2 { // the last of them is "this run", which a restore keeps
		if _, err := s.store.BeginRun(t.Context(), "1.2.3"); err != nil {
			t.Fatal(err)
		}
	}
	if n := runs(); n != before+2 {
		t.Fatalf("%d runs, want %d", n, before+2)
	}
	if r := s.ask("POST", "/api/backup", bytes.NewReader(r.body), octets...); r.StatusCode != 200 {
		t.Fatalf("restore: %d %s", r.StatusCode, r.body)
	}
	if n := runs(); n != before+1 {
		t.Errorf("%d runs after the restore, want the %d of the backup and this one", n, before)
	}
	wantProblem(t, s.ask("POST", "/api/backup", strings.NewReader("rubbish"), octets...), 422, "invalid backup")
	wantProblem(t, s.ask("POST", "/api/backup", nil), 422, "must be a backup")
	if n := runs(); n != before+1 {
		t.Errorf("%d runs after a refused restore, want %d", n, before+1)
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	r = s.get("/api/backup")
	wantProblem(t, r, 503, "closed")
	if r.Header.Get("Content-Disposition") != "" {
		t.Error("an error is offered as a file")
	}
}

func TestErrorsBecomeStatuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"full disk", fmt.Errorf("write: %w", syscall.ENOSPC), 507},
		{"full disk of the store", &store.UnavailableError{Op: "commit", Err: syscall.ENOSPC, Full: true}, 507},
		{"broken disk", &store.UnavailableError{Op: "commit", Err: syscall.EIO}, 503},
		{"no backup", fmt.Errorf("%w: too short", store.ErrInvalidBackup), 422},
		{"too late", context.DeadlineExceeded, 504},
		{"anything else", errSecret, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p := problemOf(c.err); p.status != c.status || strings.Contains(p.Message, errSecret.Error()) {
				t.Errorf("got %d %q, want %d", p.status, p.Message, c.status)
			}
		})
	}
}

func TestBackupWithoutStore(t *testing.T) {
	s := start(t, func(o *Options) { o.Store = nil }, nil)
	wantProblem(t, s.get("/api/backup"), 503, "no store")
	wantProblem(t, s.ask("POST", "/api/backup", strings.NewReader("state"), "Content-Type", "application/octet-stream"), 503, "no store")
}
