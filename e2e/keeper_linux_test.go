package e2e

import (
	"bytes"
	wire "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oneRead is how many lines of 100 bytes a keeper has in its hands at most: those of one read.
const oneRead = 256<<10/100 + 1

// gaps checks a log of numbered lines that was written while keepers were killed: where lines are missing there is a mark, no
// more than one read is missing at each, at most the line before it and the one behind it are torn, and nothing is doubled or out
// of order. number reads the number of a whole line, 0 = it is torn.
func (s *services) gaps(id string, kills int, number func(text string) int) {
	s.t.Helper()
	next, marks, lost := 1, 0, 0
	gap, before, behind := false, 0, 0 // a mark since the last whole line; torn lines before it, and behind it
	torn := func(text string) {
		if gap {
			behind++
		} else {
			before++
		}
		if before > 1 || behind > 1 {
			s.t.Errorf("%s: torn line %q where number %d was due", id, text, next)
		}
	}
	s.records(id, func(stream, text string) {
		if stream == "keeper" && strings.HasPrefix(text, "gap why=keeper-lost run=") {
			marks, gap, behind = marks+1, true, 0
		}
		if stream != "stdout" {
			return
		}
		n := number(text)
		if n == 0 {
			torn(text)
			return
		}
		if n < next || !gap && (n > next || before > 0) || n-next > oneRead {
			s.t.Errorf("%s: number %d where %d was due; behind a gap: %v; %d torn lines before", id, n, next, gap, before)
		}
		lost += max(n-next, 0)
		next, gap, before, behind = n+1, false, 0, 0
	}, torn)
	if marks == 0 || marks > kills {
		s.t.Errorf("%s: %d gaps are on record, the keeper was killed %d times", id, marks, kills)
	}
	if next <= kills {
		s.t.Errorf("%s: only %d lines", id, next-1)
	}
	s.t.Logf("%s: %d gaps on record, %d of %d lines lost", id, marks, lost, next-1)
}

// direct checks that the log a service writes itself has every line, and returns how many.
func (s *services) direct(id string) int {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "logs", id+".direct.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // what comes behind is being written
	next := 1
	for text := range strings.Lines(string(b)) {
		if strings.Contains(text, "Z keeper F ") {
			continue
		}
		n := lineNumber(strings.TrimSuffix(text, "\n"))
		if n != next {
			s.t.Errorf("%s: %q where number %d was due", id, text, next)
		}
		next = n + 1
	}
	return next - 1
}

// killKeeper kills the keeper as it is and waits until another one has taken its place.
func (s *services) killKeeper(d *daemon) {
	s.t.Helper()
	old := keeperPID(s.dir)
	if old == 0 || syscall.Kill(old, syscall.SIGKILL) != nil {
		s.t.Fatalf("there is no keeper to kill\n%s", d.log)
	}
	d.waitFor("there is another keeper", func() bool { pid := keeperPID(s.dir); return pid != 0 && pid != old })
}

// ends counts the ends of a service that its history tells of, by exit code; "unknown" where nobody knows. A run may end once.
func (d *daemon) ends(id string) map[string]int {
	d.t.Helper()
	ends, seen := map[string]int{}, map[string]bool{}
	for before := ""; ; {
		var page struct {
			Events []struct {
				Type string
				Data struct {
					Run, Result string
					ExitCode    string `json:"exit_code"`
				}
			}
			Next *uint64
		}
		d.json("/api/services/"+id+"/events?limit=1000"+before, &page)
		for _, e := range page.Events {
			if e.Data.Result == "" {
				continue
			}
			if seen[e.Data.Run] {
				d.t.Errorf("%s: run %s ended twice", id, e.Data.Run)
			}
			seen[e.Data.Run] = true
			if e.Data.ExitCode == "" {
				e.Data.ExitCode = e.Data.Result
			}
			ends[e.Data.ExitCode]++
		}
		if page.Next == nil || *page.Next == 0 {
			return ends
		}
		before = fmt.Sprintf("&before=%d", *page.Next)
	}
}

// stopAll stops every service and checks that nothing of them is left.
func (s *services) stopAll(d *daemon) {
	s.t.Helper()
	if code, body := d.send("POST", "/api/services/actions/stop", `{"all":true}`); code != http.StatusOK {
		s.t.Errorf("stop all: %d %s", code, body)
	}
	if left := marked("E2E_STATE=" + s.dir + "\x00"); len(left) > 0 {
		s.t.Errorf("stopped, and still there: %v", left)
	}
}

func TestKilledKeeperTouchesNoServiceAndInventsNoExit(t *testing.T) {
	s := newLoad(t, 3)
	for i := range s.each {
		s.add(fmt.Sprintf("direct%d", i), []string{binary, "demo", "lines", "--every", "1ms"}, "logs: {mode: direct}")
		s.add(fmt.Sprintf("halves%d", i), halves)
	}
	d := s.serve()
	d.waitFor("the steady services run", func() bool { return len(s.identities()) == 4*s.each })
	before := s.identities()
	stop := s.copies()
	kills := rounds(6, 50)
	for i := range kills {
		time.Sleep(rand.N(300 * time.Millisecond)) // the fault comes at any moment
		s.killKeeper(d)
		if i%3 > 0 || i == kills-1 { // else it comes while the last one is being dealt with
			d.waitFor("the keeper is connected", func() bool { up, _ := d.metric("controlcenter_keeper_up"); return up == 1 })
		}
	}
	s.settle()
	for i := range s.each {
		id := fmt.Sprintf("crash%d", i)
		var ends map[string]int
		waitFor(t, "every exit of "+id+" is on record", func() bool {
			ends = d.ends(id)
			return s.noted(i) > 0 && float64(ends["7"]+ends["unknown"]) >= s.noted(i) && d.stateOf(id) == "running"
		}, func() string { return fmt.Sprintf("it ended %v times, on record: %v\n%s", s.noted(i), ends, d.log) })
		// A keeper that is killed while it starts a process may leave nobody who knows whether there was one: that is unknown too.
		if float64(ends["7"]) > s.noted(i) || ends["7"] == 0 || len(ends) > 2 {
			t.Errorf("%s ended %v times with 7, on record: %v", id, s.noted(i), ends)
		}
		t.Logf("%s ended %v times with 7, on record: %v", id, s.noted(i), ends)
		s.records(id, func(stream, text string) {
			if end, ok := strings.CutPrefix(text, "end run="); ok && stream == "keeper" && !strings.HasSuffix(end, " code=7") && !strings.HasSuffix(end, " unknown") {
				t.Errorf("%s: %s", id, text)
			}
		}, func(string) {})
	}
	stop()
	s.untouched(before)
	for i := range s.each {
		s.gaps(fmt.Sprintf("lines%d", i), kills, lineNumber)
		s.gaps(fmt.Sprintf("halves%d", i), kills, halvesNumber)
		if n := s.direct(fmt.Sprintf("direct%d", i)); n < 100 {
			t.Errorf("direct%d: only %d lines", i, n)
		}
	}
	s.stopAll(d)
}

// otherBuild builds the program once more, as a release after this one.
func otherBuild(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "controlcenter")
	build := exec.Command(need(t, "go"), "build", "-trimpath", "-ldflags", "-s -w -X github.com/prometheus/common/version.Version=99.0.0-test", "-o", path, "controlcenter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, which has compiled everything
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// runs says whether a process is of a binary.
func runs(pid int, binary string) bool {
	is, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return false
	}
	want, err := os.Stat(binary)
	return err == nil && os.SameFile(is, want)
}

// A daemon of another build on the same storage puts its own in the place of the keeper's, in the same process.
func TestSoakAnotherBuildTakesTheKeepersPlaceAndLosesNothing(t *testing.T) {
	other := otherBuild(t)
	s := newLoad(t, 3)
	s.add("direct0", []string{binary, "demo", "lines", "--every", "1ms"}, "logs: {mode: direct}")
	s.add("halves0", halves)
	d := s.serve()
	d.waitFor("the steady services run", func() bool { return len(s.identities()) == 2*s.each+2 })
	before, keeper := s.identities(), keeperPID(s.dir)
	if !runs(keeper, binary) {
		t.Fatal("the keeper is of another binary from the beginning")
	}
	stop := s.copies()
	for i := range rounds(4, 30) {
		builds := [...]string{other, binary}
		time.Sleep(rand.N(300 * time.Millisecond)) // the change comes at any moment
		if i%2 == 0 {
			if code := d.stop(); code != 0 {
				t.Errorf("the daemon ended with %d\n%s", code, d.log)
			}
		} else {
			d.kill()
		}
		l := s.launch()
		l.binary = builds[i%2]
		d = serve(t, l)
		d.waitFor("the same keeper is of the daemon's build", func() bool { return runs(keeper, l.binary) && keeperPID(s.dir) == keeper })
	}
	stop()
	s.settle()
	s.everyExitIsKnown(d)
	s.untouched(before)
	s.everyLineIsThere()
	s.numbered("halves0", 10, halvesNumber)
	s.direct("direct0")
	s.stopAll(d)
}

// A keeper of a later release may speak words that this daemon does not know.
func TestAKeeperThatSpeaksAnUnknownProtocolIsRefused(t *testing.T) {
	s := newServices(t)
	s.add("steady", []string{"sleep", "100000"})
	dir := filepath.Join(s.dir, "keeper")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "keeper.sock"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(asked)
				return
			}
			greetAsTomorrow(c, asked)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	d := s.serve()
	d.waitFor("it is refused, and said why", func() bool {
		return strings.Contains(d.log.String(), "speaks protocol 1000") && strings.Contains(d.log.String(), "99.0.0-tomorrow")
	})
	if up, ok := d.metric("controlcenter_keeper_up"); up != 0 || !ok {
		t.Errorf("controlcenter_keeper_up is %v", up)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d\n%s", code, d.log)
	}
	_ = l.Close()
	for op := range asked {
		if op != "hello" {
			t.Errorf("a keeper that is not understood was asked: %s", op)
		}
	}
}

// greetAsTomorrow answers a daemon's greeting as a keeper of a later release does, and notes what it is asked until the daemon
// hangs up.
func greetAsTomorrow(c net.Conn, asked chan<- string) {
	defer c.Close()
	for {
		var size uint32
		if err := wire.Read(c, wire.BigEndian, &size); err != nil {
			return
		}
		body := make([]byte, size)
		var m struct {
			ID uint64
			Op string
		}
		if _, err := io.ReadFull(c, body); err != nil || json.Unmarshal(body, &m) != nil {
			return
		}
		select {
		case asked <- m.Op:
		default:
		}
		answer, _ := json.Marshal(map[string]any{"id": m.ID, "protocol": 1000, "build": "99.0.0-tomorrow", "pid": os.Getpid(), "started": time.Now()})
		_, err := c.Write(append(wire.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
