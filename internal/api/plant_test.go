//go:build unix

package api

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/control"
	"controlcenter/control/keeper"
	"controlcenter/control/logs"
	"controlcenter/internal/event"
)

// plant is a running server that controls services: real store, real manager, a real keeper and real processes.
type plant struct {
	*site
	manager *control.Manager
	keeper  *keeper.Client
}

func startPlant(t *testing.T, change func(*Options)) *plant {
	t.Helper()
	dir, err := os.MkdirTemp("", "plant") // short: the keeper's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{}
	quiet := slog.New(slog.DiscardHandler)
	written := logs.Open(filepath.Join(dir, "logs"))
	p.keeper = keeper.NewClient(keeper.ClientOptions{Dir: filepath.Join(dir, "keeper"), LogDir: filepath.Join(dir, "logs"), Build: "test", Binary: self, Log: quiet, NoGroups: true})
	p.site = start(t, func(o *Options) {
		p.manager, err = control.New(t.Context(), control.Options{
			Store: o.Store, Bus: &event.Bus{}, Launcher: p.keeper, Log: quiet, BootID: "test",
			Files: []control.Definition{{Spec: &control.Spec{ID: "filed", Command: []string{"sleep", "1000"}}, Origin: "controlcenter.yaml:7"}},
			Tail: func(ctx context.Context, service, run string, n int) ([]string, error) {
				page, err := written.Tail(ctx, service, n, logs.Filter{Run: run})
				var lines []string
				for i := range page.Lines {
					lines = append(lines, page.Lines[i].Text)
				}
				return lines, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Services, o.Logs = p.manager, written
		o.KeeperPID = func() int { return p.keeper.Peer().PID }
		if change != nil {
			change(o)
		}
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.keeper.Run(ctx) })
	wg.Go(func() { _ = p.manager.Run(ctx) })
	t.Cleanup(func() { // before the store is closed
		last, done := context.WithTimeout(context.Background(), 60*time.Second)
		defer done()
		if _, err := p.manager.DoAll(last, control.Command{Verb: control.VerbKill, Cascade: true}, nil, nil); err != nil {
			t.Error(err)
		}
		for last.Err() == nil && p.keeper.Quit(last) != nil {
			time.Sleep(5 * time.Millisecond) // ends are being dealt with
		}
		cancel()
		wg.Wait()
	})
	return p
}

// shell is the definition of a service that runs a script.
func shell(name, script, more string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(script)
	return `{"name":"` + name + `","command":["sh","-c","` + quoted + `"]` + more + `}`
}

func (p *plant) json(method, path, body string) reply {
	p.t.Helper()
	return p.ask(method, path, strings.NewReader(body), "Content-Type", "application/json")
}

// want sends a request and checks the status; it returns the body.
func (p *plant) want(status int, method, path, body string) map[string]any {
	p.t.Helper()
	var r reply
	if body == "" {
		r = p.ask(method, path, nil)
	} else {
		r = p.json(method, path, body)
	}
	if r.StatusCode != status {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.StatusCode, status, r.body)
	}
	var m map[string]any
	r.decode(p.t, &m)
	return m
}

// define makes a service.
func (p *plant) define(definition string) {
	p.t.Helper()
	p.want(201, "POST", "/api/services", definition)
}

// says waits until a service has written a line.
func (p *plant) says(name, line string) {
	p.t.Helper()
	waitFor(p.t, name+" to say "+line, func() bool {
		return strings.Contains(string(p.get("/api/services/"+name+"/logs?format=text&lines=10000").body), line+"\n")
	})
}

// is waits until a service has a state.
func (p *plant) is(name, state string) {
	p.t.Helper()
	waitFor(p.t, name+" to be "+state, func() bool {
		st, err := p.manager.Get(name)
		return err == nil && st.State.String() == state
	})
}
