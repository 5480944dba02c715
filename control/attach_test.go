package control

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/internal/store"
)

func TestRunningServicesAreNotTouchedByARestartOfTheDaemon(t *testing.T) {
	bubble(t, map[string]string{"a": `{"probes": {"readiness": {"log": "ready", "interval": "1s"}}}`, "b": `{}`}, func(r *rig) {
		r.say("a", "ready")
		r.must("start a", "start b")
		before := r.status("a")
		r.restart(func() { time.Sleep(time.Hour) })
		r.wait(2 * time.Second)
		r.is("a running b running")
		after := r.status("a")
		if after.PID != before.PID || after.Run != before.Run || after.Gen != before.Gen || !after.StartedAt.Equal(before.StartedAt) || after.Starts != 1 || after.Restarts != 0 {
			t.Errorf("before %+v\nafter  %+v", before, after)
		}
		if after.Health != Healthy {
			t.Errorf("probes do not go on: %s", after.Health)
		}
		if r.f.sent() != "" || r.f.times("a") != 1 {
			t.Errorf("signals %s, launches %d", r.f.sent(), r.f.times("a"))
		}
	})
}

func TestAServiceThatWasComingUpGoesOnComingUp(t *testing.T) {
	bubble(t, map[string]string{"a": `{"probes": {"startup": {"log": "loaded", "interval": "1s", "failure": 20}}}`}, func(r *rig) {
		r.must("start a")
		r.restart(nil)
		r.wait(10 * time.Second)
		r.is("a starting")
		r.say("a", "loaded")
		r.wait(2 * time.Second)
		r.is("a running")
		if st := r.status("a"); st.Starts != 1 || r.f.times("a") != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestExitsWhileAwayAreBookedExactlyOnce(t *testing.T) {
	bubble(t, map[string]string{"crash": `{"restart": {"jitter": 0}}`, "end": `{}`, "stay": `{"restart": {"policy": "no"}}`}, func(r *rig) {
		r.must("start crash", "start end", "start stay")
		r.f.loseAcks() // the first daemon's acknowledgements never arrive
		r.restart(func() {
			time.Sleep(time.Minute)
			r.f.crash("crash", 7)
			r.f.crash("end", 0)
			r.f.crash("stay", 3)
			for len(r.f.exits) > 0 { // nobody was there to hear it
				<-r.f.exits
			}
		})
		r.wait(time.Second)
		r.is("crash running end exited stay failed")
		check := func(when string) {
			t.Helper()
			if st := r.status("crash"); st.Crashes != 1 || st.Starts != 2 || st.Restarts != 1 || *st.LastExit.Code != 7 {
				t.Errorf("%s: crash: %+v %+v", when, st, st.LastExit)
			}
			if st := r.status("stay"); st.Crashes != 1 || *st.LastExit.Code != 3 || st.State != Failed {
				t.Errorf("%s: stay: %+v %+v", when, st, st.LastExit)
			}
			if got, want := r.results("crash"), "command:failure restart:running"; got != want {
				t.Errorf("%s: runs: got %q, want %q", when, got, want)
			}
			if got := strings.Count(r.history("crash"), "crashed"); got != 1 {
				t.Errorf("%s: %d crash events", when, got)
			}
		}
		check("once")
		for range 3 {
			r.restart(nil) // the launcher tells of the same exits again
			r.wait(time.Second)
			check("again")
		}
		r.is("crash running end exited stay failed")
		if r.f.times("end") != 1 || r.f.times("stay") != 1 {
			t.Errorf("launches: end %d, stay %d", r.f.times("end"), r.f.times("stay"))
		}
	})
}

func TestAnExitReportedTwiceCountsOnce(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"jitter": 0}}`}, func(r *rig) {
		r.must("start a")
		r.f.loseAcks()
		run := r.f.alive("a").Run
		r.f.crash("a", 1)
		r.wait(2 * time.Second)
		r.f.mu.Lock()
		again := *r.f.runs[run].Exit
		r.f.mu.Unlock()
		r.f.exits <- again
		r.wait(time.Second)
		if st := r.status("a"); st.Crashes != 1 || st.State != Running || st.Restarts != 1 {
			t.Errorf("%+v", st)
		}
		r.f.mu.Lock()
		defer r.f.mu.Unlock()
		if n := r.f.acks[run]; n < 2 {
			t.Errorf("acknowledged %d times, want twice", n)
		}
	})
}

func TestAnExitReportedTwiceWithNoRunBetweenCountsOnce(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"policy": "no"}}`}, func(r *rig) {
		r.must("start a")
		r.f.loseAcks()
		run := r.f.alive("a").Run
		r.f.crash("a", 1)
		r.is("a failed")
		r.f.mu.Lock()
		again := *r.f.runs[run].Exit
		r.f.mu.Unlock()
		r.f.exits <- again
		r.wait(time.Second)
		if st := r.status("a"); st.Crashes != 1 || strings.Count(r.history("a"), "crashed") != 1 {
			t.Errorf("%+v %s", st, r.history("a"))
		}
	})
}

// An owner that waits for the disk when the daemon is told to end may take one more end from its inbox.
func TestAnEndInTheMomentTheDaemonEndsIsInTheHistoryOnce(t *testing.T) {
	bubble(t, map[string]string{"a": `{"reload": "SIGHUP", "restart": {"jitter": 0, "limit": {"attempts": 0}}}`}, func(r *rig) {
		r.say("a", "its last words")
		r.must("start a")
		const rounds = 30
		for range rounds {
			r.wait(time.Minute)
			disk := make(chan struct{}) // closed: it answers again
			go func() {
				_ = r.writer.save(r.t.Context(), &change{key: "a", also: func(*store.Tx) error { <-disk; return nil }})
			}()
			synctest.Wait()
			go func() { _ = r.do("reload a") }()
			synctest.Wait()
			r.f.crash("a", 7)
			synctest.Wait()
			ended := make(chan struct{})
			go func() { r.stop(); close(ended) }()
			synctest.Wait()
			close(disk)
			<-ended
			r.start()
		}
		r.wait(time.Minute)
		if n := strings.Count(r.history("a"), "crashed"); n != rounds {
			t.Errorf("%d crashes are in the history, not %d", n, rounds)
		}
		if st := r.status("a"); st.Crashes != rounds || st.State != Running {
			t.Errorf("%d crashes, %s", st.Crashes, st.State)
		}
	})
}

func TestRestartsOfTheLauncherAreTakenOver(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`}, func(r *rig) {
		r.must("start a")
		r.restart(func() {
			r.f.crash("a", 9)
			<-r.f.exits
			time.Sleep(time.Second)
			if _, err := r.f.Launch(r.t.Context(), LaunchSpec{Run: "made-by-the-launcher", Service: "a"}); err != nil {
				t.Fatal(err)
			}
		})
		st := r.status("a")
		if st.State != Running || st.Run != "made-by-the-launcher" || st.Crashes != 1 || st.Restarts != 1 || st.Starts != 2 || st.Gen != 2 {
			t.Errorf("%+v", st)
		}
		if got, want := r.results("a"), "command:failure launcher:running"; got != want && got != "launcher:running command:failure" {
			t.Errorf("runs: %q, want %q", got, want)
		}
	})
}

// TestALaunchThatWasNeverMadeIsNoCrash: the server wrote down what it was about to launch, and ended. The launcher has started
// the service by itself meanwhile.
func TestALaunchThatWasNeverMadeIsNoCrash(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`}, func(r *rig) {
		r.must("start a")
		r.restart(func() {
			r.f.crash("a", 9)
			<-r.f.exits
			err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
				rec, err := services.Get(tx, "a")
				if err != nil {
					return err
				}
				row, err := runs.Get(tx, "a/"+rec.Run)
				if err != nil {
					return err
				}
				ended := time.Now()
				row.EndedAt, row.Result = &ended, ResultFailure
				rec.Crashes, rec.Run, rec.PID = 1, "never-launched", 0
				if err := errors.Join(runs.Put(tx, "a/"+row.ID, row), services.Put(tx, "a", rec)); err != nil {
					return err
				}
				return runs.Put(tx, "a/never-launched", Run{ID: "never-launched", Service: "a", Trigger: "restart", Result: ResultRunning})
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if _, err := r.f.Launch(r.t.Context(), LaunchSpec{Run: "z-made-by-the-launcher", Service: "a"}); err != nil {
				t.Fatal(err)
			}
		})
		if st := r.status("a"); st.State != Running || st.Run != "z-made-by-the-launcher" || st.Crashes != 1 {
			t.Errorf("%+v", st)
		}
		if got := r.results("a"); strings.Contains(got, string(ResultUnknown)) || !strings.Contains(got, string(ResultNotStarted)) {
			t.Errorf("runs: %q", got)
		}
	})
}

func TestAStopThatWasUnderWayIsFinished(t *testing.T) {
	bubble(t, map[string]string{"a": `{"stop": {"grace": "10s"}}`}, func(r *rig) {
		r.f.does("a", behaviour{ignoreTerm: true})
		r.must("start a")
		var wg sync.WaitGroup
		wg.Go(func() { _ = r.do("stop a") })
		r.wait(time.Second)
		r.is("a stopping")
		r.restart(nil)
		wg.Wait()
		r.is("a stopping")
		r.wait(11 * time.Second)
		r.is("a stopped")
		if st := r.status("a"); st.Crashes != 0 || st.Wanted {
			t.Errorf("%+v", st)
		}
	})
}

func TestLauncherThatCannotBeReachedIsWaitedFor(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`, "b": `{}`}, func(r *rig) {
		r.must("start a")
		r.restart(func() { r.f.down = true })
		r.is("a unknown b stopped")
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = r.do("start b") })
		r.wait(5 * time.Second)
		r.is("a unknown b stopped")
		r.f.mu.Lock()
		r.f.down = false
		r.f.mu.Unlock()
		wg.Wait()
		if err != nil {
			t.Error(err)
		}
		r.is("a running b running")
	})
}

func TestStormOf200ServicesIsMastered(t *testing.T) {
	specs := map[string]string{}
	for i := range 200 {
		specs[fmt.Sprintf("s%03d", i)] = `{"autostart": true, "restart": {"jitter": 0}}`
	}
	bubble(t, specs, func(r *rig) {
		r.wait(time.Minute)
		for round := range 3 {
			for name := range specs {
				r.f.crash(name, 1)
			}
			r.wait(time.Second)
			for _, st := range r.List() {
				if st.State != Running || st.Crashes != uint64(round+1) || st.Starts != uint64(round+2) {
					t.Fatalf("round %d: %s is %s after %d crashes, %d starts", round, st.ID, st.State, st.Crashes, st.Starts)
				}
			}
			r.wait(time.Minute)
		}
		r.restart(nil)
		r.wait(time.Second)
		for _, st := range r.List() {
			if st.State != Running || st.Starts != 4 {
				t.Fatalf("after a restart of the daemon: %s is %s, %d starts", st.ID, st.State, st.Starts)
			}
		}
	})
}

// Whatever users, processes and restarts of the daemon do in whatever order: never two copies, never a signal to nobody
// (the fake launcher watches), every start and exit counted once, and in the end everything can be stopped.
func TestRandomLifeKeepsItsPromises(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			specs := map[string]string{
				"a": `{"restart": {"policy": "always", "limit": {"attempts": 0}}, "stop": {"grace": "2s"}}`, "b": `{"depends_on": {"a": {}}, "stop": {"grace": "1s"}}`,
				"d": `{"restart": {"policy": "no"}}`,
			}
			specs["c"] = `{"restart": {"limit": {"attempts": 0}}, "probes": {"startup": {"log": "ready", "interval": "1s", "failure": 5}}}`
			bubble(t, specs, func(r *rig) {
				names := []string{"a", "b", "c", "d"}
				for _, n := range names {
					list := make([]behaviour, 200)
					for i := range list {
						b := &list[i]
						switch rnd.IntN(8) {
						case 0:
							b.life, b.code = time.Duration(rnd.IntN(3000))*time.Millisecond, rnd.IntN(2)
						case 1:
							b.life, b.code = time.Duration(rnd.IntN(60))*time.Second, rnd.IntN(2)
						case 2:
							b.ignoreTerm = true
						case 3:
							b.ignoreTerm, b.ignoreKill, b.life = true, true, 30*time.Second
						case 4:
							b.lose, b.never = true, rnd.IntN(2) == 0
						case 5:
							b.slow = time.Duration(rnd.IntN(2000)) * time.Millisecond
						case 6:
							b.refuse = &LaunchError{Reason: "no", Temporary: rnd.IntN(2) == 0}
						}
					}
					r.f.does(n, list...)
				}
				r.say("c", "ready")
				var wg sync.WaitGroup
				for range 150 {
					name := names[rnd.IntN(len(names))]
					switch k := rnd.IntN(12); k {
					case 0:
						wg.Wait()
						r.restart(func() { time.Sleep(time.Duration(rnd.IntN(5000)) * time.Millisecond) })
					case 1, 2:
						r.f.crash(name, rnd.IntN(3))
					default:
						c := Command{Service: name, Verb: []Verb{VerbStart, VerbStart, VerbStop, VerbRestart, VerbKill}[rnd.IntN(5)], Cascade: rnd.IntN(2) == 0}
						m := r.Manager
						wg.Go(func() { _, _ = m.Do(r.t.Context(), c) })
					}
					r.wait(time.Duration(rnd.IntN(3000)) * time.Millisecond)
				}
				wg.Wait()
				r.wait(2 * time.Minute) // what cannot be killed ends by itself
				if _, err := r.DoAll(r.t.Context(), Command{Verb: VerbStop}, nil, nil); err != nil {
					t.Error(err)
				}
				r.wait(2 * time.Minute)
				if _, err := r.DoAll(r.t.Context(), Command{Verb: VerbStop}, nil, nil); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				for _, st := range r.List() {
					if st.State != Stopped || r.f.alive(st.ID) != nil {
						t.Errorf("%s is %s, process %v: %s", st.ID, st.State, r.f.alive(st.ID), st.Reason)
					}
					open := 0
					all, err := r.Runs(r.t.Context(), st.ID, "", 0)
					if err != nil {
						t.Fatal(err)
					}
					for _, run := range all {
						if run.EndedAt == nil {
							open++
						}
					}
					if open > 0 {
						t.Errorf("%s: %d runs without an end", st.ID, open)
					}
				}
			})
		})
	}
}
