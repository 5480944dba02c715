package control

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/internal/store"
)

func TestStartAnswersWhenTheProcessHasLived300ms(t *testing.T) {
	bubble(t, map[string]string{"a": `{"ports": [8188]}`}, func(r *rig) {
		begin := time.Now()
		st, err := r.Do(r.t.Context(), Command{Service: "A", Verb: VerbStart, Actor: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != settleTime {
			t.Errorf("took %s, want %s", took, settleTime)
		}
		if st.State != Running || st.PID == 0 || !st.Settled || !st.Wanted || st.Starts != 1 || st.Restarts != 0 {
			t.Errorf("status: %+v", st)
		}
		if err := r.do("start a"); !errors.Is(err, ErrConflict) || err.Error() != "already running" {
			t.Errorf("second start: got %v", err)
		}
		r.must("stop a", "stop a")
		r.is("a stopped")
		if got, want := r.history("a"), "start started up stop stopped stop"; got != want {
			t.Errorf("history: got %q, want %q", got, want)
		}
		if got, want := r.results("a"), "command:stopped"; got != want {
			t.Errorf("runs: got %q, want %q", got, want)
		}
		if st := r.status("a"); st.Crashes != 0 || st.LastExit.Signal != "SIGTERM" || st.LastExit.Result != ResultStopped || st.Wanted {
			t.Errorf("after stop: %+v %+v", st, st.LastExit)
		}
	})
}

func TestCrashAtOnceFailsTheStartWithItsLastLines(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`, "done": `{}`}, func(r *rig) {
		r.f.does("a", behaviour{life: 100 * time.Millisecond, code: 7})
		r.f.does("done", behaviour{life: 100 * time.Millisecond})
		r.say("a", "loading")
		r.say("a", "disk is full")
		err := r.do("start a")
		e, ok := errors.AsType[*Error](err)
		if !ok || !errors.Is(err, ErrFailed) || err.Error() != `start "a": it ended at once: exit code 7` || strings.Join(e.Lines, "|") != "loading|disk is full" {
			t.Errorf("got %v, %+v", err, e)
		}
		r.is("a backoff")
		r.wait(reportAfter)
		runs, err := r.Runs(r.t.Context(), "a", "", 1)
		if err != nil || len(runs) != 1 || len(runs[0].Lines) != 2 || *runs[0].Code != 7 || runs[0].Usage.UserSeconds != 1 {
			t.Errorf("crash report: %+v, %v", runs, err)
		}
		r.must("start done")
		r.is("done exited")
	})
}

func TestFailedExecIsNotRepeated(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"policy": "always"}}`, "secret": `{"secrets": ["KEY"]}`, "cwd": `{"env_files": ["/no/such/file"]}`, "port": `{"ports": [8188]}`}, func(r *rig) {
		r.f.does("a", behaviour{refuse: &LaunchError{Reason: "/bin/a: no such file or directory"}})
		for name, want := range map[string]string{
			"a": `start "a": /bin/a: no such file or directory`, "secret": `start "secret": secret KEY has no value yet`,
			"cwd": `start "cwd": read env file: open /no/such/file: no such file or directory`,
		} {
			if err := r.do("start " + name); !errors.Is(err, ErrFailed) || err.Error() != want {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
		}
		r.wait(time.Hour)
		r.is("a failed secret failed cwd failed")
		if n := r.f.times("a"); n != 1 {
			t.Errorf("%d launches, want 1", n)
		}
		if err := r.SetSecret(r.t.Context(), "secret", "KEY", "s3cret", "tester"); err != nil {
			t.Fatal(err)
		}
		r.must("start secret")
		if env := strings.Join(r.f.alive("secret").spec.Env, " "); env != "KEY=s3cret" {
			t.Errorf("environment %q", env)
		}
	})
}

func TestTakenPortNamesItsOwner(t *testing.T) {
	var taken atomic.Bool
	taken.Store(true)
	withPort(t, &taken, func(r *rig) {
		if err := r.do("start a"); !errors.Is(err, ErrFailed) || err.Error() != `start "a": port 8188 is taken by python3 (pid 42)` {
			t.Errorf("got %v", err)
		}
		r.is("a failed")
		taken.Store(false)
		r.must("start a")
		// In the middle of a restart a port may still be in use: that is waited for.
		taken.Store(true)
		r.f.crash("a", 1)
		r.is("a backoff")
		r.wait(time.Second)
		r.is("a backoff")
		taken.Store(false)
		r.wait(time.Minute)
		r.is("a running")
	})
}

func withPort(t *testing.T, taken *atomic.Bool, fn func(*rig)) {
	bubble(t, map[string]string{"a": `{"ports": [8188]}`}, func(r *rig) {
		r.edit = func(o *Options) {
			o.PortOwner = func(uint16) (string, bool) { return "python3 (pid 42)", taken.Load() }
		}
		r.restart(nil)
		fn(r)
	})
}

func TestCrashLoopBacksOffAndThenFails(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"jitter": 0, "limit": {"attempts": 4}}}`}, func(r *rig) {
		r.f.does("a", behaviour{life: time.Second, code: 1})
		r.must("start a")
		r.wait(time.Hour)
		r.is("a failed")
		if got, want := r.f.launches(), "a@0s a@2s a@5s a@10s a@19s"; got != want {
			t.Errorf("launches: got %q, want %q", got, want)
		}
		if st := r.status("a"); st.Crashes != 5 || st.Restarts != 4 || st.Starts != 5 || !st.Wanted || *st.LastExit.Code != 1 {
			t.Errorf("status: %+v", st)
		}
		// Someone acts: counting begins anew.
		r.f.does("a", behaviour{})
		r.must("start a")
		r.is("a running")
		r.f.crash("a", 1)
		r.is("a backoff")
		r.wait(time.Second)
		r.is("a starting")
	})
}

func TestFirstRestartAfterAHealthyRunIsImmediate(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"jitter": 0}}`}, func(r *rig) {
		r.f.does("a", behaviour{life: time.Second, code: 1}, behaviour{life: 30 * time.Second, code: 1}, behaviour{life: time.Second, code: 1}, behaviour{})
		r.must("start a")
		r.wait(time.Hour)
		r.is("a running")
		// 1 s run, 1 s wait; 30 s run, no wait; 1 s run, 1 s wait again: the row began anew.
		if got, want := r.f.launches(), "a@0s a@2s a@32s a@34s"; got != want {
			t.Errorf("launches: got %q, want %q", got, want)
		}
	})
}

func TestStubbornServiceIsKilledAfterItsGrace(t *testing.T) {
	bubble(t, map[string]string{"a": `{"stop": {"grace": "3s", "signal": "INT"}}`}, func(r *rig) {
		r.f.does("a", behaviour{ignoreTerm: true})
		r.must("start a")
		begin := time.Now()
		r.must("stop a")
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %s, want 3s", took)
		}
		r.is("a stopped")
		if got, want := r.f.sent(), "a SIGINT, a kill"; got != want {
			t.Errorf("signals: got %q, want %q", got, want)
		}
		if st := r.status("a"); st.Crashes != 0 || st.LastExit.Result != ResultStopped {
			t.Errorf("a kill that was asked for counts as a crash: %+v", st.LastExit)
		}
	})
}

func TestWhatCannotBeKilledIsStuckAndNeverDoubled(t *testing.T) {
	bubble(t, map[string]string{"a": `{"stop": {"grace": "3s"}}`}, func(r *rig) {
		r.f.does("a", behaviour{ignoreTerm: true, ignoreKill: true}, behaviour{})
		r.must("start a")
		if err := r.do("stop a"); !errors.Is(err, ErrTimeout) {
			t.Errorf("stop: got %v, want a timeout", err)
		}
		r.is("a stuck")
		for _, c := range []string{"start a", "restart a"} {
			if err := r.do(c); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "a second copy is never started") {
				t.Errorf("%s: got %v, want a refusal", c, err)
			}
		}
		r.wait(time.Hour)
		r.is("a stuck")
		r.f.end(r.f.alive("a").Run, nil, "SIGKILL")
		r.is("a stopped")
		r.must("start a")
		r.is("a running")
	})
}

func TestRestartEndsTheOldRunFirst(t *testing.T) {
	bubble(t, map[string]string{"a": `{"stop": {"grace": "2s"}}`}, func(r *rig) {
		r.f.does("a", behaviour{ignoreTerm: true}, behaviour{})
		r.must("start a")
		first := r.status("a").PID
		r.must("restart a")
		if st := r.status("a"); st.State != Running || st.PID == first || st.Restarts != 0 || st.Crashes != 0 || st.Gen != 2 {
			t.Errorf("after restart: %+v", st)
		}
		if got, want := r.results("a"), "command:stopped command:running"; got != want {
			t.Errorf("runs: got %q, want %q", got, want)
		}
	})
}

func TestStopDuringBackOffAndDuringLaunch(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`, "slow": `{}`}, func(r *rig) {
		r.f.does("a", behaviour{life: time.Millisecond, code: 1})
		_ = r.do("start a")
		r.is("a backoff")
		r.must("stop a")
		r.wait(time.Hour)
		r.is("a stopped")
		if n := r.f.times("a"); n != 1 {
			t.Errorf("%d launches, want 1", n)
		}
		r.f.does("slow", behaviour{slow: 2 * time.Second})
		if _, err := r.Do(r.t.Context(), Command{Service: "slow", Verb: VerbStart, Wait: WaitNot}); err != nil {
			t.Fatal(err)
		}
		r.is("slow starting")
		r.must("stop slow")
		r.is("slow stopped")
		if r.f.alive("slow") != nil {
			t.Error("a process is left")
		}
	})
}

func TestLostAnswerIsResolvedByAsking(t *testing.T) {
	bubble(t, map[string]string{"lives": `{}`, "never": `{"restart": {"jitter": 0}}`}, func(r *rig) {
		r.f.does("lives", behaviour{lose: true})
		r.f.does("never", behaviour{lose: true, never: true}, behaviour{})
		for _, name := range []string{"lives", "never"} {
			if _, err := r.Do(r.t.Context(), Command{Service: name, Verb: VerbStart, Wait: WaitNot}); err != nil {
				t.Fatal(err)
			}
		}
		r.wait(time.Minute)
		r.is("lives running never running")
		if st := r.status("lives"); st.PID == 0 || r.f.times("lives") != 1 {
			t.Errorf("found again: %+v, %d launches", st, r.f.times("lives"))
		}
	})
}

func TestAnAnswerThatComesTooLateMakesNoSecondCopy(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"policy": "always"}}`}, func(r *rig) {
		r.f.does("a", behaviour{slow: 30 * time.Second}) // deaf to its context, too
		if _, err := r.Do(r.t.Context(), Command{Service: "a", Verb: VerbStart, Wait: WaitNot}); err != nil {
			t.Fatal(err)
		}
		r.wait(20 * time.Second)
		r.is("a unknown") // the launcher knows no such run yet, which proves nothing
		r.wait(time.Minute)
		r.is("a running")
		if n := r.f.times("a"); n != 1 {
			t.Errorf("%d launches, want 1", n)
		}
	})
}

func TestNewsOfAnOlderRunChangesNothing(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`}, func(r *rig) {
		r.must("start a")
		old := r.status("a").Run
		r.must("restart a")
		s, err := r.find("a")
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range []any{
			probeMsg{run: old, unwell: "late", result: ResultUnhealthy},
			newsMsg{sig: sigGone, run: old},
			newsMsg{sig: sigFound, run: old},
			newsMsg{sig: sigExited, run: old, exit: &Exit{Run: old, Service: "a", Signal: "SIGTERM", At: time.Now()}},
		} {
			before := r.status("a")
			if err := s.post(r.t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			if st := r.status("a"); st.State != Running || st.Run != before.Run || st.Crashes != 0 {
				t.Errorf("%T: %+v", msg, st)
			}
		}
	})
}

func TestReload(t *testing.T) {
	bubble(t, map[string]string{"a": `{"reload": "HUP"}`, "b": `{}`}, func(r *rig) {
		if err := r.do("reload a"); !errors.Is(err, ErrConflict) {
			t.Errorf("stopped: got %v", err)
		}
		r.must("start a", "start b", "reload a")
		synctest.Wait()
		if got := r.f.sent(); got != "a SIGHUP" {
			t.Errorf("signals %q", got)
		}
		if err := r.do("reload b"); !errors.Is(err, ErrConflict) || err.Error() != `"b" has no reload signal` {
			t.Errorf("got %v", err)
		}
	})
}

func TestSignalChangesNothingAboutWhatIsWanted(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`}, func(r *rig) {
		if _, err := r.Signal(r.t.Context(), "a", "USR1", "tester"); !errors.Is(err, ErrConflict) {
			t.Errorf("stopped: got %v", err)
		}
		r.must("start a")
		if _, err := r.Signal(r.t.Context(), "a", "SIGNOPE", "tester"); !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v", err)
		}
		before := r.status("a")
		if st, err := r.Signal(r.t.Context(), "A", "usr1", "tester"); err != nil || st.Run != before.Run || !st.Wanted {
			t.Errorf("%+v, %v", st, err)
		}
		r.is("a running")
		if got := r.f.sent(); got != "a SIGUSR1" {
			t.Errorf("signals %q", got)
		}
	})
}

func TestUnknownServiceAndVerb(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		if err := r.do("start nobody"); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if err := r.do("dance nobody"); !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

// A disk that answers after an owner has given up waiting takes what it was given once.
func TestWhatASlowDiskTookLateIsInTheHistoryOnce(t *testing.T) {
	bubble(t, map[string]string{"a": `{"restart": {"policy": "no"}}`, "b": `{}`}, func(r *rig) {
		r.must("start a")
		hang := func() (end func()) {
			disk := make(chan struct{})
			go func() {
				_ = r.writer.save(r.t.Context(), &change{key: "a", also: func(*store.Tx) error { <-disk; return nil }})
			}()
			synctest.Wait()
			return func() { close(disk) }
		}
		end := hang()
		r.f.crash("a", 7)
		r.wait(writeTimeout + flushTime + time.Second) // given up, and given to the disk again
		end()
		r.wait(writeTimeout + flushTime)
		if h := r.history("a"); strings.Count(h, "crashed") != 1 {
			t.Errorf("history: %s", h)
		}
		// A start that was refused for it is not made up for later.
		end = hang()
		if err := r.do("start b"); err == nil {
			t.Error("started without being recorded")
		}
		end()
		r.wait(time.Minute)
		r.restart(nil)
		r.wait(time.Minute)
		r.is("b stopped")
		if n := r.f.times("b"); n != 0 {
			t.Errorf("started %d times", n)
		}
	})
}

func TestStopWorksWithoutTheStoreAndStartDoesNot(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`, "b": `{}`}, func(r *rig) {
		r.must("start a")
		if err := r.db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.do("start b"); err == nil {
			t.Error("start without a store: got nil, want an error")
		}
		r.is("b stopped")
		r.must("stop a")
		r.is("a stopped")
		if r.f.alive("a") != nil || r.f.alive("b") != nil {
			t.Error("a process is left")
		}
	})
}
