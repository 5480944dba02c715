package keeper

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"controlcenter/control"
)

// flood writes numbered lines of 100 bytes as fast as it can, then exits.
func flood(args []string) {
	n, _ := strconv.Atoi(args[0])
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := range n {
		_, _ = fmt.Fprintf(out, "%010d %s\n", i, strings.Repeat("x", 88))
	}
	_ = out.Flush()
	os.Exit(0)
}

// fill makes a pipe as large as may be and writes 9000 lines into it, which is more than one read takes.
func fill(t *testing.T, in *os.File) {
	t.Helper()
	raw, err := in.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeMax) }); cerr != nil || err != nil {
		t.Skip("pipes cannot grow here: ", cerr, err)
	}
	if _, err := in.Write(bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 9000)); err != nil {
		t.Fatal(err)
	}
}

// On a machine so busy that the pumps get no turn before a run is over, what is in its pipes is read nevertheless; and a
// stranger who holds the other end, and goes on writing, keeps nobody from ending.
func TestWhatIsInAPipeIsReadHoweverLate(t *testing.T) {
	k, r, in := piped(t)
	fill(t, in)
	var held [][]byte
	for range cap(k.buffers) {
		held = append(held, <-k.buffers)
	}
	k.pump(r)
	drained := make(chan struct{})
	go func() { k.drain(r); close(drained) }()
	<-r.over
	for _, b := range held {
		k.buffers <- b
	}
	go func() {
		for err := error(nil); err == nil; {
			_, err = in.WriteString("stranger\n")
		}
	}()
	<-drained
	if got := k.serviceOf("s").counts().Lines; got < 9000 {
		t.Errorf("%v lines in the log, 9000 written", got)
	}
}

// A keeper that takes up the journal of one that was killed meets a number that was given to another process since.
func TestAStrangerThatGotTheNumberIsNeverSignalled(t *testing.T) {
	for _, groups := range []bool{true, false} {
		t.Run("groups="+strconv.FormatBool(groups), func(t *testing.T) {
			stranger := exec.Command("sleep", "1000")
			if err := stranger.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
			pid := stranger.Process.Pid
			_, _, born := procStat(pid)
			run := control.NewRunID()
			r := newRig(t, func(o *ClientOptions) {
				o.NoGroups = !groups
				if err := os.MkdirAll(o.Dir, 0o700); err != nil {
					t.Fatal(err)
				}
				var journal []byte
				for _, e := range []entry{
					{Op: jBegin, Run: run, Service: "svc", Gen: 1, BootID: BootID(), At: time.Now()},
					{Op: jPID, Run: run, PID: pid, Ticks: born - 1},
				} {
					b, err := json.Marshal(e)
					if err != nil {
						t.Fatal(err)
					}
					journal = append(append(journal, b...), '\n')
				}
				if err := os.WriteFile(filepath.Join(o.Dir, journalName), journal, 0o600); err != nil {
					t.Fatal(err)
				}
			})
			attack := func() {
				for _, tree := range []bool{false, true} {
					if err := r.client.Signal(r.ctx(), run, "SIGTERM", tree); err != nil {
						t.Error(err)
					}
				}
				if err := r.client.KillTree(r.ctx(), run); err != nil {
					t.Error(err)
				}
			}
			attack()
			r.until("its end is reported, as unknown", func() bool {
				all, err := r.client.Runs(r.ctx())
				return err == nil && len(all) == 1 && all[0].Exit != nil && all[0].Exit.Unknown
			})
			attack()
			if startTicks(pid) != born {
				t.Error("the stranger is dead")
			}
		})
	}
}

func TestStopAndKillWorkWithoutDescriptors(t *testing.T) {
	for _, groups := range []bool{true, false} {
		t.Run("groups="+strconv.FormatBool(groups), func(t *testing.T) {
			r := newRig(t, func(o *ClientOptions) { o.NoGroups = !groups })
			killed, stopped := spec("killed", "sh", "-c", tree), spec("stopped", "sleep", "1000")
			r.launch(killed)
			r.launch(stopped)
			r.until("the tree is up", func() bool { return len(processesOf(killed.Run)) >= 4 })
			keeper := r.client.Peer().PID
			var before unix.Rlimit
			limit := func(set *unix.Rlimit) {
				t.Helper()
				if err := unix.Prlimit(keeper, unix.RLIMIT_NOFILE, set, &before); err != nil {
					t.Fatal(err)
				}
			}
			limit(nil)
			restore := before
			limit(&unix.Rlimit{Cur: 10, Max: before.Max})

			_, err := r.client.Launch(r.ctx(), spec("more", "sleep", "1000"))
			if l, ok := errors.AsType[*control.LaunchError](err); !ok || !l.Temporary || !strings.Contains(l.Reason, "open") {
				t.Errorf("launch: %v", err)
			}
			if err := r.client.KillTree(r.ctx(), killed.Run); err != nil {
				t.Error(err)
			}
			if left := processesOf(killed.Run); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if x := r.exit(killed.Run); x.Signal != "SIGKILL" || x.Left != 0 {
				t.Errorf("exit: %+v", x)
			}
			if err := r.client.Signal(r.ctx(), stopped.Run, "SIGTERM", false); err != nil {
				t.Error(err)
			}
			if x := r.exit(stopped.Run); x.Signal != "SIGTERM" || x.Left != 0 {
				t.Errorf("exit: %+v", x)
			}
			limit(&restore)
			more := spec("more", "true")
			r.launch(more)
			if x := r.exit(more.Run); x.Code == nil || *x.Code != 0 {
				t.Errorf("exit: %+v", x)
			}
		})
	}
}

func TestRotationAtFullSpeedLosesNoLine(t *testing.T) {
	n := 500_000
	if testing.Short() {
		n = 100_000
	}
	r := newRig(t)
	l := spec("svc", r.self(), "flood", strconv.Itoa(n))
	l.Logs.MaxSize, l.Logs.Keep = 4<<20, 1000
	began := time.Now()
	r.launch(l)
	if x := r.exit(l.Run); x.Code == nil || *x.Code != 0 {
		t.Fatalf("exit: %+v", x)
	}
	t.Logf("%.0f MB/s", float64(n)*100/1e6/time.Since(began).Seconds())
	if files, _ := filepath.Glob(filepath.Join(r.logs, "svc.*log")); len(files) < n*100/(4<<20) {
		t.Errorf("only %d files", len(files))
	}
	next, filler := 0, strings.Repeat("x", 88)
	r.lines("svc", func(_, text string) {
		if want := fmt.Sprintf("%010d %s", next, filler); text != want && !t.Failed() {
			t.Errorf("%q where %q was due", text, want)
		}
		next++
	})
	if next != n {
		t.Errorf("%d of %d lines", next, n)
	}
}

// A full disk of logs holds back only who writes there, and nothing of what that one writes is lost.
func TestAFullLogDiskHoldsBackOnlyItsWriter(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	r := newRig(t, func(o *ClientOptions) {
		if err := os.MkdirAll(o.LogDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", o.LogDir, "tmpfs", 0, "size=4m"); err != nil {
			t.Skipf("mount: %v", err)
		}
		dir := o.LogDir
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	})
	ballast := filepath.Join(r.logs, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 3700<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	// More than what fits into the pipes and the keeper's hands: the loud one cannot end while the disk is full.
	const n = 40000
	loud, quiet := spec("loud", r.self(), "lines", strconv.Itoa(n), "0s", "5"), spec("quiet", "sleep", "1000")
	loud.Logs.Keep = 100
	dropping := spec("dropping", r.self(), "lines", strconv.Itoa(n), "0s", "6")
	dropping.Logs.WhenFull = "drop"
	r.launch(quiet)
	r.launch(loud)
	r.until("the full disk is told", func() bool { c, _ := r.client.LogCounts("loud"); return strings.Contains(c.Fault, "no space") })
	r.launch(dropping)
	if x := r.exit(dropping.Run); x.Code == nil || *x.Code != 6 {
		t.Errorf("a service that drops: %+v", x)
	}
	r.until("what was dropped is counted", func() bool { c, _ := r.client.LogCounts("dropping"); return c.Dropped > 0 })
	if err := r.client.Signal(r.ctx(), quiet.Run, "SIGTERM", false); err != nil {
		t.Error(err)
	}
	if x := r.exit(quiet.Run); x.Signal != "SIGTERM" {
		t.Errorf("a quiet service: %+v", x)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if x := r.exit(loud.Run); x.Code == nil || *x.Code != 5 {
		t.Errorf("the loud service: %+v", x)
	}
	r.numbered("loud", n)
}

// An end may come before whoever starts the process has come to reading its pipes.
func TestWhatAProcessPrintsThatEndsAtOnceIsKept(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	specs := make([]control.LaunchSpec, 60)
	for i := range specs {
		specs[i] = spec(fmt.Sprintf("brief%d", i), r.self(), "lines", "10", "0s", "3")
		if i%2 == 1 {
			specs[i].Umask = "077" // started by way of our own binary
		}
		wg.Go(func() {
			if _, err := r.client.Launch(r.ctx(), specs[i]); err != nil {
				t.Errorf("launch %s: %v", specs[i].Service, err)
			}
		})
	}
	wg.Wait()
	for _, l := range specs {
		if x := r.exit(l.Run); x.Code == nil || *x.Code != 3 {
			t.Errorf("exit of %s: %+v", l.Service, x)
		}
		r.numbered(l.Service, 10)
		b, _ := os.ReadFile(filepath.Join(r.logs, l.Service+".log"))
		if start, end := bytes.Index(b, []byte(" start run=")), bytes.Index(b, []byte(" end run=")); start < 0 || end < start {
			t.Errorf("%s: no start before its end:\n%s", l.Service, b)
		}
	}
}

// A keeper that was killed while it started services takes up those that live, whatever stands between them in the journal.
func TestAStartThatNeverWasHidesNoOther(t *testing.T) {
	var live []*exec.Cmd
	for range 3 {
		c := exec.Command("sleep", "1000")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		live = append(live, c)
	}
	var runs []string
	r := newRig(t, func(o *ClientOptions) {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var journal []byte
		add := func(e entry) {
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			journal = append(append(journal, b...), '\n')
		}
		for i, c := range live {
			add(entry{Op: jBegin, Run: control.NewRunID(), Service: fmt.Sprintf("never%d", i), Gen: 1, BootID: BootID(), At: time.Now()})
			id := control.NewRunID()
			runs = append(runs, id)
			_, _, born := procStat(c.Process.Pid)
			add(entry{Op: jBegin, Run: id, Service: fmt.Sprintf("live%d", i), Gen: 1, BootID: BootID(), At: time.Now()})
			add(entry{Op: jPID, Run: id, PID: c.Process.Pid, Ticks: born})
		}
		if err := os.WriteFile(filepath.Join(o.Dir, journalName), journal, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	states, err := r.client.Runs(r.ctx())
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range runs {
		if !slices.ContainsFunc(states, func(s control.RunState) bool { return s.Run == id && s.PID == live[i].Process.Pid && s.Exit == nil }) {
			t.Errorf("live%d is not known: %+v", i, states)
		}
	}
	if len(states) != len(runs) {
		t.Errorf("runs: %+v", states)
	}
}

// An unfinished line is written once, and soon, also when the binary changes while it waits.
func TestAnUnfinishedLineOutlivesAnUpgradeOnce(t *testing.T) {
	r := newRig(t)
	for i := range 10 {
		l := spec(fmt.Sprintf("asks%d", i), "sh", "-c", "printf 'password: '; exec sleep 1000")
		r.launch(l)
		if err := r.client.Upgrade(r.ctx(), r.self()); err != nil {
			t.Fatal(err)
		}
		r.until("the question is in the log", func() bool {
			b, _ := os.ReadFile(filepath.Join(r.logs, l.Service+".log"))
			return bytes.Contains(b, []byte("password: "))
		})
		if err := r.client.KillTree(r.ctx(), l.Run); err != nil {
			t.Fatal(err)
		}
		r.exit(l.Run)
		if got := r.text(l.Service); !slices.Equal(got, []string{"stdout password: "}) {
			t.Errorf("%s: %q", l.Service, got)
		}
	}
}

// What the log never took of a run that is over is counted, also what had not been read by then.
func TestWhatAFullDiskCostsIsCounted(t *testing.T) {
	k, r, in := piped(t)
	fill(t, in)
	svc := k.serviceOf("s")
	_ = svc.w.File().Close() // from here on the log takes nothing
	k.pump(r)
	k.drain(r)
	if n := svc.counts(); n.Lines+n.Dropped != 9000 || n.Dropped == 0 {
		t.Errorf("of 9000 lines %v are in the log and %v are counted as dropped", n.Lines, n.Dropped)
	}
}
