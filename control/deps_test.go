package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCycleIsNamedByItsPath(t *testing.T) {
	for _, c := range []struct {
		g    Graph
		want string
	}{
		{Graph{"a": {"b"}, "b": {"c"}, "c": {"a"}}, "[a b c a]"},
		{Graph{"x": {"a"}, "a": {"b"}, "b": {"a"}}, "[a b a]"},
		{Graph{"a": {"a"}}, "[a a]"},
		{Graph{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}, "[]"},
		{Graph{}, "[]"},
	} {
		if got := fmt.Sprint(c.g.Cycle()); got != c.want {
			t.Errorf("%v: got %s, want %s", c.g, got, c.want)
		}
	}
}

func FuzzGraph(f *testing.F) {
	f.Add([]byte{0x01, 0x12, 0x20})
	f.Fuzz(func(t *testing.T, in []byte) {
		g := Graph{}
		for _, b := range in {
			from, to := fmt.Sprint(b>>4), fmt.Sprint(b&0xf)
			g[from] = append(g[from], to)
		}
		if c := g.Cycle(); c != nil {
			for i := range len(c) - 1 {
				if !slices.Contains(g[c[i]], c[i+1]) {
					t.Fatalf("%v: %v is no path", g, c)
				}
			}
			if c[0] != c[len(c)-1] {
				t.Fatalf("%v is no cycle", c)
			}
			return
		}
		at := map[string]int{}
		for i, k := range g.Order() {
			at[k] = i
		}
		for k, needs := range g {
			for _, n := range needs {
				if at[n] >= at[k] {
					t.Fatalf("%v: %s stands before %s, which it needs", g, k, n)
				}
			}
		}
		for k := range at {
			for _, d := range g.AllDependents(k) {
				if d == k {
					t.Fatalf("%v: %s depends on itself", g, k)
				}
			}
		}
	})
}

func offsets(launches string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for l := range strings.FieldsSeq(launches) {
		name, at, _ := strings.Cut(l, "@")
		out[name], _ = time.ParseDuration(at)
	}
	return out
}

var chain = map[string]string{
	"web":     `{"depends_on": {"api": {}}, "tags": ["ai"]}`,
	"api":     `{"depends_on": {"db": {"condition": "healthy"}, "migrate": {"condition": "completed"}}, "tags": ["ai"]}`,
	"db":      `{"probes": {"readiness": {"log": "ready", "interval": "1s"}}, "tags": ["ai"]}`,
	"alone":   `{}`,
	"migrate": `{"type": "job", "depends_on": {"db": {"condition": "healthy"}}}`,
}

func TestStartBringsUpWhatIsNeededInOrder(t *testing.T) {
	bubble(t, chain, func(r *rig) {
		r.f.does("migrate", behaviour{life: 10 * time.Second})
		time.AfterFunc(5500*time.Millisecond, func() { r.say("db", "ready to accept connections") })
		begin := time.Now()
		st, err := r.Do(r.t.Context(), Command{Service: "web", Verb: VerbStart, Actor: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		r.is("web running api running db running migrate exited alone stopped")
		// db is healthy when its line is seen, at 5.6 s, migrate takes 10 s more, api must be up before web.
		const seen = 5600 * time.Millisecond
		at := offsets(r.f.launches())
		if at["db"] != 0 || at["migrate"] != seen || at["api"] != seen+10*time.Second || at["web"] != seen+10*time.Second+settleTime {
			t.Errorf("launches: %v", at)
		}
		if time.Since(begin) != seen+10*time.Second+2*settleTime || st.State != Running {
			t.Errorf("answered after %s", time.Since(begin))
		}
		nodes, edges := r.Graph()
		var levels []string
		for _, n := range nodes {
			levels = append(levels, fmt.Sprint(n.ID, n.Level))
		}
		if got := strings.Join(levels, " "); got != "alone0 db0 migrate1 api2 web3" || len(edges) != 4 {
			t.Errorf("graph: %s, %d edges", got, len(edges))
		}
	})
}

func TestStopOfWhatIsNeededIsRefusedOrTakesAllAlong(t *testing.T) {
	bubble(t, chain, func(r *rig) {
		r.say("db", "ready")
		r.f.does("migrate", behaviour{life: time.Second})
		r.must("start web")
		if err := r.do("stop db"); !errors.Is(err, ErrConflict) || err.Error() != `"db" is needed by web, api; stop those first, or all together (cascade)` {
			t.Errorf("got %v", err)
		}
		r.is("db running")
		if _, err := r.Do(r.t.Context(), Command{Service: "db", Verb: VerbStop, Cascade: true}); err != nil {
			t.Fatal(err)
		}
		r.is("web stopped api stopped db stopped")
		if got, want := r.f.sent(), "web SIGTERM, api SIGTERM, db SIGTERM"; got != want {
			t.Errorf("signals: got %q, want %q", got, want)
		}
	})
}

func TestFailedDependencyFailsTheStartWithItsReason(t *testing.T) {
	bubble(t, map[string]string{
		"a": `{"depends_on": {"b": {"condition": "healthy", "timeout": "20s"}}}`, "b": `{"probes": {"readiness": {"log": "ready", "interval": "1s"}}}`,
		"c": `{"depends_on": {"d": {}}}`, "d": `{"restart": {"policy": "no"}}`,
	}, func(r *rig) {
		if err := r.do("start a"); !errors.Is(err, ErrConflict) || err.Error() != `"a" needs "b" to be healthy, which it was not within 20s` {
			t.Errorf("got %v", err)
		}
		r.is("a stopped b running")
		r.f.does("d", behaviour{life: 100 * time.Millisecond, code: 3})
		if err := r.do("start c"); !errors.Is(err, ErrConflict) || err.Error() != `"c" needs "d" to be started, but it is failed: exit code 3` {
			t.Errorf("got %v", err)
		}
	})
}

func TestAllAreStartedAndStoppedInOrder(t *testing.T) {
	bubble(t, chain, func(r *rig) {
		r.say("db", "ready")
		r.f.does("migrate", behaviour{life: time.Second})
		all := func(v Verb, tags ...string) {
			out, err := r.DoAll(r.t.Context(), Command{Verb: v, Actor: "tester"}, nil, tags)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				if o.Err != nil {
					t.Errorf("%s %s: %v", v, o.Service, o.Err)
				}
			}
		}
		all(VerbStart, "ai")
		r.is("web running api running db running alone stopped")
		all(VerbStart)
		r.is("alone running")
		all(VerbStop)
		r.is("web stopped api stopped db stopped alone stopped")
		order := slices.DeleteFunc(strings.Split(r.f.sent(), ", "), func(s string) bool { return strings.HasPrefix(s, "alone") })
		if got, want := strings.Join(order, ", "), "web SIGTERM, api SIGTERM, db SIGTERM"; got != want {
			t.Errorf("signals: got %q, want %q", got, want)
		}
		if _, err := r.DoAll(r.t.Context(), Command{Verb: VerbStart}, []string{"nobody"}, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWantedServicesComeUpInOrderAfterAReboot(t *testing.T) {
	specs := maps.Clone(chain)
	specs["web"] = `{"depends_on": {"api": {}}, "autostart": true}`
	bubble(t, specs, func(r *rig) {
		r.wait(3 * time.Second)
		r.is("web stopped api stopped db running")
		if w := r.status("web").Waiting; w != "" && !strings.Contains(w, "needs") {
			t.Errorf("waiting: %q", w)
		}
		r.f.does("migrate", behaviour{life: time.Second})
		r.say("db", "ready")
		r.wait(10 * time.Second)
		r.is("web running api running db running migrate exited alone stopped")
		// The machine restarts: nothing lives, the launcher knows nothing.
		r.boot = "boot-2"
		r.restart(func() { r.f.runs = map[string]*fakeRun{} })
		r.wait(10 * time.Second)
		r.is("web running api running db running alone stopped")
		if st := r.status("db"); st.Crashes != 0 || st.LastExit.Result != ResultUnknown || st.LastExit.Code != nil {
			t.Errorf("lost with the machine: %+v", st.LastExit)
		}
		r.must("stop web")
		r.boot = "boot-3"
		r.restart(func() { r.f.runs = map[string]*fakeRun{} })
		r.wait(10 * time.Second)
		r.is("web stopped api running")
	})
}

func TestDefinitionsThatDoNotFitAreRefused(t *testing.T) {
	bubble(t, map[string]string{"a": `{"depends_on": {"b": {}}}`, "b": `{"depends_on": {"c": {}}}`, "c": `{}`}, func(r *rig) {
		for _, c := range []struct{ name, spec, want string }{
			{"d", `{"depends_on": {"x": {}}}`, `depends_on.x: there is no service "x"`},
			{"d", `{"depends_on": {"c": {"condition": "healthy"}}}`, `depends_on.c.condition: "c" has neither a readiness nor a startup probe, so nobody can tell that it is healthy`},
			{"d", `{"depends_on": {"d": {}}}`, "depends_on.d: a service cannot depend on itself; depends_on: goes round in a circle: d -> d"},
		} {
			if _, err := r.Create(r.t.Context(), parsed(t, c.name, c.spec), "tester"); !errors.Is(err, ErrInvalid) || err.Error() != c.want {
				t.Errorf("%s: got %v, want %s", c.spec, err, c.want)
			}
		}
		for i := range r.files {
			if r.files[i].Spec.ID == "c" {
				r.files[i].Spec = parsed(t, "c", `{"depends_on": {"a": {}}}`)
			}
		}
		if err := r.Sync(r.t.Context(), r.files, "reload"); !errors.Is(err, ErrInvalid) || err.Error() != "depends_on: goes round in a circle: a -> b -> c -> a" {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
	})
}
