package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
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
	r := s.get("/api/backup")
	if r.StatusCode != 200 || string(r.body) != "state one" || r.Header.Get("Content-Type") != "application/octet-stream" ||
		!strings.Contains(r.Header.Get("Content-Disposition"), `filename="controlcenter-`) {
		t.Errorf("backup: %d %q %v", r.StatusCode, r.body, r.Header)
	}
	octets := []string{"Content-Type", "application/octet-stream"}
	if r := s.ask("POST", "/api/backup", strings.NewReader("state two"), octets...); r.StatusCode != 200 {
		t.Errorf("restore: %d %s", r.StatusCode, r.body)
	}
	if got := string(s.get("/api/backup").body); got != "state two" {
		t.Errorf("after the restore: %q", got)
	}
	wantProblem(t, s.ask("POST", "/api/backup", strings.NewReader("rubbish"), octets...), 422, "not a backup")
	wantProblem(t, s.ask("POST", "/api/backup", nil), 422, "must be a backup")
	for status, fail := range map[int]error{507: fmt.Errorf("write: %w", syscall.ENOSPC), 500: errSecret, 504: context.DeadlineExceeded} {
		s.store.mu.Lock()
		s.store.fail = fail
		s.store.mu.Unlock()
		r := s.get("/api/backup")
		wantProblem(t, r, status, "")
		if r.Header.Get("Content-Disposition") != "" {
			t.Error("an error is offered as a file")
		}
	}
}

func TestBackupWithoutStore(t *testing.T) {
	s := start(t, func(o *Options) { o.Store = nil }, nil)
	wantProblem(t, s.get("/api/backup"), 503, "no store")
	wantProblem(t, s.ask("POST", "/api/backup", strings.NewReader("state"), "Content-Type", "application/octet-stream"), 503, "no store")
}
