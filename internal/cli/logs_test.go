package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLogsOfSeveralServicesAreInOrder(t *testing.T) {
	s := newStub(t).
		on("GET /api/services/web/logs", replies(`{"success":true,"logs":["one","three"],"total_lines":2,"entries":[{"pos":0,"next":4,"time":"2026-01-01T00:00:01Z","stream":"stdout","text":"one"},{"pos":4,"next":9,"time":"2026-01-01T00:00:03Z","stream":"stderr","text":"three"}],"next":9}`)).
		on("GET /api/services/database/logs", replies(`{"success":true,"logs":["two"],"total_lines":1,"entries":[{"pos":0,"next":4,"time":"2026-01-01T00:00:02Z","stream":"stdout","text":"two\u001b[2J"}],"next":4}`)).
		on("GET /api/services/new/logs", replies(`{"success":true,"logs":[],"message":"nothing was written yet"}`))
	check(t, "one", s.run("logs", "web"), ExitOK, "one\nthree\n", "")
	check(t, "two", s.run("logs", "web", "database"), ExitOK, "web      | one\ndatabase | two\x1b[2J\nweb      | three\n", "")
	check(t, "nothing yet", s.run("logs", "new"), ExitOK, "", "controlcenter: new: nothing was written yet\n")
	s.asked()
	r := s.run("logs", "database", "-o", "json", "--grep", "a b", "-i", "--stream", "stdout", "--run", "r1", "--since", "2026-01-01T00:00:00Z", "-n", "5")
	check(t, "json", r, ExitOK, `{"service":"database","pos":0,"time":"2026-01-01T00:00:02Z","stream":"stdout","text":"two\u001b[2J"}`+"\n", "")
	if got := s.asked(); got != "GET /api/services/database/logs?grep=a+b&ignore_case=true&lines=5&run=r1&since=2026-01-01T00%3A00%3A00Z&stream=stdout" {
		t.Error(got)
	}
	if r := s.run("logs", "web", "-t"); !regexp.MustCompile(`^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.000 one\n`).MatchString(r.out) {
		t.Errorf("with times: %q", r.out)
	}
	if r := s.run("logs", "nosuch"); r.code != ExitNotFound {
		t.Errorf("unknown: %+v", r)
	}
}

func TestControlCharactersOfLinesAreEscapedOnTerminals(t *testing.T) {
	var out strings.Builder
	e := &env{o: Options{Stdout: &out}, format: formatTable}
	w := e.newLogWriter([]string{"a"}, false)
	w.raw = false
	if err := w.write(&logEntry{Text: "a\tb\x1b[31m\r"}); err != nil || out.String() != "a\tb\\x1b[31m\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestLogsAreFollowedOverARestartOfTheDaemon(t *testing.T) {
	stream := func(lines string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hello\n\n"+lines)
		}
	}
	line := func(next, text string) string {
		return "id: " + next + "\nevent: line\ndata: {\"pos\":1,\"time\":\"2026-01-01T00:00:00Z\",\ndata: \"stream\":\"stdout\",\"text\":\"" + text + "\"}\n\n"
	}
	s := newStub(t).
		on("GET /api/services/web/logs", replies(`{"success":true,"logs":["zero"],"entries":[{"pos":0,"next":5,"time":"2026-01-01T00:00:01Z","stream":"stdout","text":"zero"}],"next":5}`)).
		on("GET /api/services/web/logs/follow", stream(line("9", "one")+line("13", "two")), problem(503, "starting", "unavailable"),
			func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Last-Event-ID"); got != "13" {
					t.Errorf("resumed at %q", got)
				}
				stream("event: gap\ndata: {}\n\n"+line("17", "three")+line("21", "last")+"event: line\ndata: {\"text\":\"torn")(w, r)
			})
	r := s.follow("last\n", "logs", "web", "-f", "--grep", "x")
	if r.code != ExitOK || r.out != "zero\none\ntwo\nthree\nlast\n" {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(r.err, "starting; waiting for the daemon") || !strings.Contains(r.err, "web: lines were lost here") {
		t.Errorf("stderr %q", r.err)
	}
	got := strings.Split(s.asked(), "\n")
	if len(got) < 4 || got[1] != "GET /api/services/web/logs/follow?after=5&grep=x" || got[3] != "GET /api/services/web/logs/follow?after=13&grep=x" {
		t.Errorf("%q", got)
	}
	s.on("GET /api/services/web/logs/follow", problem(403, "not yours", "denied"))
	if r := s.run("logs", "web", "-f"); r.code != ExitRefused || !strings.Contains(r.err, "not yours") {
		t.Errorf("refused: %+v", r)
	}
	s.on("GET /api/services/web/logs/follow", stream(line("9", "fresh")))
	if r := s.follow("fresh", "logs", "web", "-f", "-n", "0", "-o", "json"); r.code != ExitOK || strings.Contains(r.out, "zero") {
		t.Errorf("new ones only: %+v", r)
	}
}

func TestLogsAreDownloaded(t *testing.T) {
	s := newStub(t).on("GET /api/services/web/logs", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "raw \x1b[31m\n") })
	file := filepath.Join(t.TempDir(), "web.log")
	if r := s.run("logs", "web", "--download", file); r.code != ExitOK || !strings.HasPrefix(r.out, "wrote ") {
		t.Errorf("%+v", r)
	}
	if got := s.asked(); got != "GET /api/services/web/logs?download=true&format=text" {
		t.Error(got)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "raw \x1b[31m\n" {
		t.Errorf("%q, %v", b, err)
	}
	if r := s.run("logs", "web", "--download", file); r.code != ExitRefused {
		t.Errorf("again: %+v", r)
	}
	check(t, "to stdout", s.run("logs", "web", "--download", "-", "-n", "3"), ExitOK, "raw \x1b[31m\n", "")
}
