package keeper

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"controlcenter/control"
)

// told says in short what a journal knows.
func told(all []*entryRun) string {
	var out []string
	for _, r := range all {
		s := r.begin.Run
		if r.pid != nil {
			s += fmt.Sprintf(" pid %d", r.pid.PID)
		}
		if r.end != nil {
			s += fmt.Sprintf(" code %d", *r.end.Code)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// story is what happens to runs a, b and c; after each step the journal must tell what stands behind it.
var story = []struct {
	e    entry
	then string
}{
	{entry{Op: jBegin, Run: "a", Service: "web"}, "a"},
	{entry{Op: jPID, Run: "a", PID: 11}, "a pid 11"},
	{entry{Op: jBegin, Run: "b", Service: "db"}, "a pid 11, b"},
	{entry{Op: jEnd, Run: "a", Code: new(int)}, "a pid 11 code 0, b"},
	{entry{Op: jNone, Run: "b"}, "a pid 11 code 0"},
	{entry{Op: jBegin, Run: "c", Service: "db"}, "a pid 11 code 0, c"},
	{entry{Op: jAck, Run: "a"}, "c"},
	{entry{Op: jPID, Run: "c", PID: 12}, "c pid 12"},
}

func tell(t *testing.T, path string) (*journal, string) {
	t.Helper()
	j, all, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	return j, told(all)
}

func TestAJournalCutAnywhereTellsItsWholeLinesAndGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := tell(t, path)
	for _, s := range story {
		if err := j.append(s.e); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.f.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := ""
		if n := bytes.Count(whole[:cut], []byte("\n")); n > 0 {
			want = story[n-1].then
		}
		j, got := tell(t, path)
		if got != want {
			t.Fatalf("cut at %d: %q, not %q", cut, got, want)
		}
		if err := j.append(entry{Op: jBegin, Run: "late"}); err != nil {
			t.Fatal(err)
		}
		_ = j.f.Close()
		if j, got = tell(t, path); got != strings.TrimPrefix(want+", late", ", ") {
			t.Fatalf("cut at %d, gone on: %q after %q", cut, got, want)
		}
		_ = j.f.Close()
	}
}

func TestABadLineOfAJournalCostsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, _ := tell(t, path)
	for i, s := range story {
		if err := j.append(s.e); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := j.f.WriteString("\x00\x00\x00{\"op\":\"ack\",\"run\":\"c\"}\n{}\n\n[1]\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = j.f.Close()
	j, got := tell(t, path)
	if want := story[len(story)-1].then; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	// Written anew it has only what is still of use, and a new one that a crash left half-written is not taken for it.
	if err := os.WriteFile(path+".new", []byte(`{"op":"begin","run":"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.compact(); err != nil {
		t.Fatal(err)
	}
	if err := j.append(entry{Op: jEnd, Run: "c", Code: new(int)}); err != nil {
		t.Fatal(err)
	}
	_ = j.f.Close()
	text, err := os.ReadFile(path)
	if n := bytes.Count(text, []byte("\n")); err != nil || n != 3 {
		t.Errorf("%d lines: %s, %v", n, text, err)
	}
	j, got = tell(t, path)
	if want := "c pid 12 code 0"; got != want {
		t.Errorf("written anew: %q, not %q", got, want)
	}
	_ = j.f.Close()
}

// After a restart of the machine the pid of a run may be anybody's, even with the same start time.
func TestRunsOfAnotherBootAreUnknownAndTheirPidsLeftAlone(t *testing.T) {
	r := newRig(t)
	if _, err := r.client.Runs(r.ctx()); err != nil { // it is connected now
		t.Fatal(err)
	}
	keeper := r.client.Peer().PID
	r.stop() // first, or it would start another keeper
	if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("the keeper is gone", func() bool { return startTicks(keeper) == 0 })
	stranger := exec.Command("sleep", "1000")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	pid := stranger.Process.Pid
	j, _ := tell(t, filepath.Join(r.dir, journalName))
	l := spec("svc", "sleep", "1000")
	if err := j.append(entry{Op: jBegin, Run: l.Run, Service: "svc", Gen: 1, BootID: "00000000-0000-4000-8000-000000000000"},
		entry{Op: jPID, Run: l.Run, PID: pid, Ticks: startTicks(pid)}); err != nil {
		t.Fatal(err)
	}
	_ = j.f.Close()

	r.connect()
	r.until("the run has ended", func() bool { // it may have before anybody listened
		all, err := r.client.Runs(r.ctx())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(s control.RunState) bool { return s.Run == l.Run })
		if i < 0 {
			t.Fatalf("the run is forgotten: %+v", all)
		}
		x := all[i].Exit
		if x != nil && (!x.Unknown || x.Code != nil || x.Signal != "") {
			t.Fatalf("exit: %+v", x)
		}
		return x != nil
	})
	again := r.launch(spec("svc", "sleep", "1000"))
	if again.PID == pid || startTicks(again.PID) == 0 {
		t.Errorf("started again: %+v", again)
	}
	if startTicks(pid) == 0 {
		t.Error("the process that has the pid now was ended")
	}
}
