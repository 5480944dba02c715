package keeper

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"controlcenter/control"
)

func TestRunsAreStartedWaitedForAndLogged(t *testing.T) {
	r := newRig(t)
	l := spec("svc", r.self(), "lines", "1000", "0s", "7")
	st := r.launch(l)
	if st.PID == 0 || st.At.IsZero() {
		t.Errorf("started: %+v", st)
	}
	x := r.exit(l.Run)
	if x.Code == nil || *x.Code != 7 || x.Signal != "" || x.Unknown || x.Service != "svc" {
		t.Errorf("exit: %+v", x)
	}
	r.numbered("svc", 1000)
	counts, ok := r.client.LogCounts("svc")
	if !ok || counts.Lines != 1000 {
		t.Errorf("counts: %+v %v", counts, ok)
	}
	all, err := r.client.Runs(r.ctx())
	if err != nil || len(all) != 1 || all[0].Exit == nil || *all[0].Exit.Code != 7 {
		t.Errorf("runs: %+v %v", all, err)
	}
	if err := r.client.Ack(r.ctx(), l.Run); err != nil {
		t.Error(err)
	}
	if all, err = r.client.Runs(r.ctx()); err != nil || len(all) != 0 {
		t.Errorf("after the acknowledgement: %+v %v", all, err)
	}
}

// The kernel counts what the keeper holds to what its children held, until their exec.
func TestMostMemoryIsThatOfTheRun(t *testing.T) {
	r := newRig(t)
	l := spec("small", "true")
	r.launch(l)
	if x := r.exit(l.Run); x.Code == nil || *x.Code != 0 || x.Usage.MaxRSSBytes != 0 {
		t.Errorf("a small program: %+v", x)
	}
	const held = 300_000_000
	l = spec("large", "dd", "if=/dev/zero", "of=/dev/null", fmt.Sprintf("bs=%d", held), "count=1") // in one piece
	r.launch(l)
	if x := r.exit(l.Run); x.Usage.MaxRSSBytes < held || x.Usage.MaxRSSBytes > 2*held || x.Usage.UserSeconds+x.Usage.SystemSeconds <= 0 {
		t.Errorf("a program that holds %d bytes: %+v", held, x)
	}
}

func TestSignalsAreReportedByName(t *testing.T) {
	r := newRig(t)
	l := spec("svc", "sleep", "1000")
	r.launch(l)
	if err := r.client.Signal(r.ctx(), l.Run, "SIGUSR1", false); err != nil {
		t.Fatal(err)
	}
	if x := r.exit(l.Run); x.Signal != "SIGUSR1" || x.Code != nil {
		t.Errorf("exit: %+v", x)
	}
	if err := r.client.Signal(r.ctx(), l.Run, "SIGTERM", false); err != nil {
		t.Errorf("a run that has ended: %v", err)
	}
	l = spec("svc", "sleep", "1000")
	r.launch(l)
	if err := r.client.Signal(r.ctx(), l.Run, "SIGNOT", false); err == nil {
		t.Error("SIGNOT was sent")
	}
}

func TestLaunchSaysWhyNothingWasStarted(t *testing.T) {
	r := newRig(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("no program"), 0o755); err != nil { //nolint:gosec // it is to look like one
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*control.LaunchSpec)
		want   string
	}{
		{func(l *control.LaunchSpec) { l.Argv = []string{"/not/here"} }, "command: /not/here: no such file or directory"},
		{func(l *control.LaunchSpec) { l.Argv = []string{"not-here-either"} }, "command: not-here-either is not found in PATH (/usr/bin:/bin)"},
		{func(l *control.LaunchSpec) { l.Argv = []string{text} }, "it is not executable"},
		{func(l *control.LaunchSpec) { l.Argv = []string{garbage} }, "has no #! line"},
		{func(l *control.LaunchSpec) { l.Argv = []string{"/tmp"} }, "/tmp is a folder"},
		{func(l *control.LaunchSpec) { l.Dir = "/not/here" }, "cwd: stat /not/here: no such file or directory"},
		{func(l *control.LaunchSpec) { l.User = "nobody-of-that-name" }, "there is no user nobody-of-that-name"},
		{func(l *control.LaunchSpec) { l.Umask = "9" }, "umask"},
	} {
		l := spec("svc", "true")
		c.change(&l)
		_, err := r.client.Launch(r.ctx(), l)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, not %q", l.Argv, err, c.want)
		}
	}
	if all, err := r.client.Runs(r.ctx()); err != nil || len(all) != 0 {
		t.Errorf("left: %+v %v", all, err)
	}
	l := spec("svc", "sleep", "1000")
	r.launch(l)
	again := spec("svc", "sleep", "1000")
	if _, err := r.client.Launch(r.ctx(), again); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second copy: %v", err)
	}
}

func TestAProcessGetsWhatItsDefinitionSays(t *testing.T) {
	r := newRig(t)
	l := spec("svc", "sh", "-c", `umask; ulimit -n; nice; id -u; id -g; id -G; echo "$GREETING"; ls -l /proc/self/fd | grep -c '> '; cut -d' ' -f6 /proc/$$/stat; echo $$; grep NoNewPrivs /proc/$$/status; cat /proc/self/oom_score_adj`)
	l.Umask, l.Nice, l.OOM, l.Limits.Nofile, l.NoNew = "027", 5, 321, 512, true
	l.Env = append(l.Env, "GREETING=hello")
	want := []string{"0027", "512", "5", strconv.Itoa(os.Getuid()), "", "", "hello", "4", "", "", "NoNewPrivs:\t1", "321"}
	if os.Getuid() == 0 {
		l.User, l.Group = "nobody", "daemon"
		want[3], want[4] = "65534", "1"
	}
	r.launch(l)
	if x := r.exit(l.Run); x.Code == nil || *x.Code != 0 {
		t.Fatalf("exit: %+v; %v", x, r.text("svc"))
	}
	var got []string
	for _, line := range r.text("svc") {
		got = append(got, strings.TrimPrefix(line, "stdout "))
	}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if want[i] != "" && got[i] != want[i] {
			t.Errorf("line %d: %q, not %q", i, got[i], want[i])
		}
	}
	if got[8] != got[9] {
		t.Errorf("its session is %s, not its own %s", got[8], got[9])
	}
}

// tree is a shell that ignores SIGTERM with a child that does so too, a daemon in a session of its own, and a grandchild.
const tree = `trap '' TERM; (trap '' TERM; sleep 1001) & setsid sh -c 'trap "" TERM; setsid sleep 1002 & sleep 1003' & echo up; wait; sleep 1004`

func TestAWholeTreeIsKilled(t *testing.T) {
	for _, groups := range []bool{true, false} {
		t.Run("groups="+strconv.FormatBool(groups), func(t *testing.T) {
			r := newRig(t, func(o *ClientOptions) { o.NoGroups = !groups })
			l := spec("svc", "sh", "-c", tree)
			r.launch(l)
			r.until("the tree is up", func() bool { return len(processesOf(l.Run)) >= 4 })
			if err := r.client.KillTree(r.ctx(), l.Run); err != nil {
				t.Fatal(err)
			}
			if left := processesOf(l.Run); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if x := r.exit(l.Run); x.Signal != "SIGKILL" || x.Left != 0 {
				t.Errorf("exit: %+v", x)
			}
		})
		t.Run("what a dead main process leaves, groups="+strconv.FormatBool(groups), func(t *testing.T) {
			r := newRig(t, func(o *ClientOptions) { o.NoGroups = !groups })
			l := spec("svc", "sh", "-c", `setsid sh -c 'trap "" TERM; echo up; while :; do sleep 1; done' & sleep 1005`)
			st := r.launch(l)
			r.until("the daemon is up", func() bool { return slices.Contains(r.text("svc"), "stdout up") })
			if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if x := r.exit(l.Run); x.Signal != "SIGKILL" || x.Left != 0 {
				t.Errorf("exit: %+v", x)
			}
			if left := processesOf(l.Run); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestAServiceGoesOnAndIsRestartedWhileNoDaemonIsConnected(t *testing.T) {
	r := newRig(t)
	l := spec("svc", "sh", "-c", "echo up; exec sleep 1000")
	l.Away = &control.Away{Policy: control.RestartOnFailure, Attempts: 3}
	st := r.launch(l)
	other := spec("quiet", "sleep", "1000")
	r.launch(other)
	ups := func() int {
		return len(slices.DeleteFunc(r.text("svc"), func(s string) bool { return s != "stdout up" }))
	}
	r.until("it is up", func() bool { return ups() == 1 })
	r.stop()
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("it was started again", func() bool { return ups() == 2 })
	r.connect()
	all, err := r.client.Runs(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	var ended, restarted, quiet int
	for _, s := range all {
		switch {
		case s.Run == l.Run && s.Exit != nil && s.Exit.Signal == "SIGKILL":
			ended++
		case s.Service == "svc" && s.Gen == 0 && s.Exit == nil:
			restarted++
		case s.Run == other.Run && s.Exit == nil:
			quiet++
		}
	}
	if ended != 1 || restarted != 1 || quiet != 1 || len(all) != 3 {
		t.Errorf("runs: %+v", all)
	}
}

func TestAHeldServiceStaysDown(t *testing.T) {
	r := newRig(t)
	l := spec("svc", "sleep", "1000")
	l.Away = &control.Away{Policy: control.RestartAlways}
	st := r.launch(l)
	if err := r.client.Hold(r.ctx(), "svc"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.connect()
	r.until("its end is known", func() bool {
		all, err := r.client.Runs(r.ctx())
		return err == nil && len(all) == 1 && all[0].Exit != nil
	})
}

func TestUpgradesInPlaceLoseNothing(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	r := newRig(t)
	runs := map[string]control.LaunchSpec{}
	for i := range 5 {
		l := spec(fmt.Sprintf("writer%d", i), r.self(), "lines", "4000", "1ms", "7")
		r.launch(l)
		runs[l.Run] = l
	}
	silent := spec("silent", "sleep", "1000")
	r.launch(silent)
	before := r.client.Peer().PID
	for i := range rounds {
		// One of these has ended, with lines in its pipes, when the new binary comes to look.
		var during []control.LaunchSpec
		for j := range 3 {
			l := spec(fmt.Sprintf("during%d-%d", i, j), r.self(), "lines", strconv.Itoa(20<<(2*j)), "1ms", "4")
			r.launch(l)
			during = append(during, l)
		}
		if err := r.client.Upgrade(r.ctx(), r.self()); err != nil {
			t.Fatalf("upgrade %d: %v", i, err)
		}
		for j, l := range during {
			if x := r.exit(l.Run); x.Code == nil || *x.Code != 4 {
				t.Errorf("exit of a run that ended meanwhile: %+v", x)
			}
			r.numbered(l.Service, 20<<(2*j))
		}
		short := spec(fmt.Sprintf("short%d", i), r.self(), "lines", "50", "0s", "3")
		r.launch(short)
		if x := r.exit(short.Run); x.Code == nil || *x.Code != 3 {
			t.Fatalf("exit of a short run: %+v", x)
		}
		r.numbered(short.Service, 50)
	}
	if after := r.client.Peer().PID; after != before {
		t.Errorf("the keeper was %d and is %d", before, after)
	}
	for run, l := range runs {
		if x := r.exit(run); x.Code == nil || *x.Code != 7 {
			t.Errorf("exit of %s: %+v", l.Service, x)
		}
		r.numbered(l.Service, 4000)
	}
	if err := r.client.Upgrade(r.ctx(), "/bin/true"); err == nil {
		t.Error("became /bin/true")
	}
	all, err := r.client.Runs(r.ctx())
	if err != nil || !slices.ContainsFunc(all, func(s control.RunState) bool { return s.Run == silent.Run && s.Exit == nil }) {
		t.Errorf("runs: %+v %v", all, err)
	}
}

func TestAKilledKeeperTouchesNoService(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	r := newRig(t)
	type pair struct {
		spec control.LaunchSpec
		pid  int
	}
	var steady []pair
	for i := range 4 {
		l := spec(fmt.Sprintf("steady%d", i), "sleep", "1000")
		steady = append(steady, pair{l, r.launch(l).PID})
	}
	for i := range rounds {
		long := spec(fmt.Sprintf("long%d", i), r.self(), "lines", "200", "1ms", "7")
		direct := spec(fmt.Sprintf("direct%d", i), r.self(), "lines", "200", "1ms", "8")
		direct.Logs.Mode = "direct"
		r.launch(long)
		r.launch(direct)
		if i%3 > 0 { // at once, in the middle, about the end
			time.Sleep(time.Duration(i%3) * 110 * time.Millisecond)
		}
		if err := syscall.Kill(r.client.Peer().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if x := r.exit(long.Run); x.Code == nil || *x.Code != 7 {
			t.Fatalf("round %d, exit: %+v", i, x)
		}
		if x := r.exit(direct.Run); x.Code == nil || *x.Code != 8 {
			t.Fatalf("round %d, exit in direct mode: %+v", i, x)
		}
		r.oneGap(long.Service, 200)
		b, err := os.ReadFile(filepath.Join(r.logs, direct.Service+".direct.log"))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			if !strings.Contains("\n"+string(b), fmt.Sprintf("\nline %d\n", n)) {
				t.Errorf("round %d: line %d is lost in direct mode", i, n)
			}
		}
	}
	all, err := r.client.Runs(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range steady {
		if !slices.ContainsFunc(all, func(s control.RunState) bool { return s.Run == p.spec.Run && s.PID == p.pid && s.Exit == nil }) {
			t.Errorf("%s is not among %+v", p.spec.Service, all)
		}
		if startTicks(p.pid) == 0 {
			t.Errorf("%s, pid %d, is gone", p.spec.Service, p.pid)
		}
	}
	// And a service taken over can be stopped with all it has.
	if err := r.client.KillTree(r.ctx(), steady[0].spec.Run); err != nil {
		t.Fatal(err)
	}
	if x := r.exit(steady[0].spec.Run); x.Signal != "SIGKILL" {
		t.Errorf("exit: %+v", x)
	}
}
