package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"controlcenter/internal/store"
)

func TestAChangedDefinitionTouchesNothingThatRuns(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		ctx := r.t.Context()
		st, err := r.Create(ctx, parsed(t, "My_App", `{"autostart": true, "command": ["/bin/a"]}`), "tester")
		if err != nil || st.ID != "My_App" || st.Number != 1 {
			t.Fatalf("%+v, %v", st, err)
		}
		r.wait(time.Second)
		r.is("my-app running")
		pid := r.status("my-app").PID
		if _, err := r.Create(ctx, parsed(t, "my-app", `{}`), "tester"); !errors.Is(err, ErrConflict) {
			t.Errorf("same name again: got %v", err)
		}
		if st, err = r.Patch(ctx, "MY-APP", []byte(`{"description": "x", "restart": {"policy": "no"}}`), "tester"); err != nil || st.RestartNeeded || st.Spec.Restart.Policy != RestartNo {
			t.Errorf("patch of policy: %+v, %v", st, err)
		}
		if st, err = r.Patch(ctx, "my-app", []byte(`{"env": {"A": "1"}}`), "tester"); err != nil || !st.RestartNeeded || st.PID != pid {
			t.Errorf("patch of env: %+v, %v", st, err)
		}
		r.must("restart my-app")
		if st := r.status("my-app"); st.RestartNeeded || strings.Join(r.f.alive("my-app").spec.Env, "") != "A=1" {
			t.Errorf("after restart: %+v", st)
		}
		if _, err := r.Patch(ctx, "my-app", []byte(`{"command": []}`), "tester"); !errors.Is(err, ErrInvalid) || err.Error() != "command: must name a program" {
			t.Errorf("bad patch: got %v", err)
		}
		r.restart(nil)
		if st := r.status("my-app"); st.Spec.Env["A"] != "1" || st.Spec.Restart.Policy != RestartNo || st.State != Running || st.Gen != 2 {
			t.Errorf("after a restart of the daemon: %+v", st)
		}
		r.is("my-app running")
		if err := r.Remove(r.t.Context(), "my-app", "tester"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get("my-app"); !errors.Is(err, ErrNotFound) || r.f.alive("my-app") != nil {
			t.Errorf("after removal: %v", err)
		}
		r.restart(nil)
		if n := len(r.List()); n != 0 {
			t.Errorf("%d services after removal and restart", n)
		}
		_ = r.db.View(r.t.Context(), func(tx *store.Tx) error {
			if rows, err := runs.List(tx, "", "", 0); err != nil || len(rows) != 0 {
				t.Errorf("runs of a removed service: %v, %v", rows, err)
			}
			return nil
		})
		if got := r.history("My_App"); !strings.HasSuffix(got, "stop stopped removed") {
			t.Errorf("history: %q", got)
		}
	})
}

func TestServicesOfTheFileFollowTheFile(t *testing.T) {
	bubble(t, map[string]string{"a": `{"autostart": true}`, "b": `{"autostart": true}`, "c": `{}`}, func(r *rig) {
		ctx := r.t.Context()
		r.wait(time.Second)
		r.is("a running b running c stopped")
		if err := r.Remove(ctx, "a", "tester"); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "controlcenter.yaml:a") {
			t.Errorf("got %v", err)
		}
		if _, err := r.Patch(ctx, "a", []byte(`{"description": "x"}`), "tester"); !errors.Is(err, ErrConflict) {
			t.Errorf("got %v", err)
		}
		pid := r.status("a").PID
		next := []Definition{{parsed(t, "a", `{"autostart": true, "description": "new"}`), "f:1"}, {parsed(t, "d", `{"autostart": true}`), "f:2"}}
		if err := r.Sync(ctx, next, "reload"); err != nil {
			t.Fatal(err)
		}
		r.wait(time.Second)
		r.is("a running d running")
		if st := r.status("a"); st.PID != pid || st.Spec.Description != "new" || st.Origin != "f:1" {
			t.Errorf("changed in the file: %+v", st)
		}
		if _, err := r.Get("b"); !errors.Is(err, ErrNotFound) || r.f.alive("b") != nil {
			t.Errorf("taken out of the file: %v", err)
		}
		// Taken out while no daemon runs: what lives is ended at the next start.
		r.files = next[:1]
		r.restart(nil)
		r.wait(time.Second)
		if _, err := r.Get("d"); !errors.Is(err, ErrNotFound) || r.f.alive("d") != nil || r.f.alive("a") == nil {
			t.Errorf("taken out while away: %v", err)
		}
	})
}

func TestWrongFileIsRefusedAsAWhole(t *testing.T) {
	for name, files := range map[string][]Definition{
		`f:1: service "a": command: must name a program`:                       {{&Spec{ID: "a"}, "f:1"}},
		`name: "A-B" is also defined at f:1; case, - and _ make no difference`: {{parsed(t, "a_b", `{}`), "f:1"}, {parsed(t, "A-B", `{}`), "f:2"}},
		`f:1: service "a": depends_on.b: there is no service "b"`:              {{parsed(t, "a", `{"depends_on": {"b": {}}}`), "f:1"}},
	} {
		db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(t.Context(), Options{Store: db, Files: files}); !errors.Is(err, ErrInvalid) || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
		db.Close()
	}
}

func TestEnvFiles(t *testing.T) {
	for line, want := range map[string]string{
		"A=1": "A=1", "export B = two words ": "B=two words", "# c": "=", "": "=", `C="a\nb \"q\""`: "C=a\nb \"q\"", "D='x # y'": "D=x # y", "E=v # note": "E=v", "F=": "F=",
		"novalue": "is not NAME=value", "1X=2": "is not NAME=value", `G="open`: "G has no closing quote",
	} {
		name, value, err := envLine(line)
		got := name + "=" + value
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func FuzzEnvLine(f *testing.F) {
	f.Add(`A="b c" # d`)
	f.Fuzz(func(t *testing.T, line string) {
		name, _, err := envLine(line)
		if err == nil && name != "" && !envName().MatchString(name) {
			t.Errorf("%q gives the name %q", line, name)
		}
	})
}
