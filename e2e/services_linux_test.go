package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// marked lists the living processes whose environment has the word in it, with their whole environment.
func marked(word string) map[int]string {
	out := map[int]string{}
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range all {
		env, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(env, []byte(word)) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(name, "/")[2]); err == nil {
			out[pid] = string(env)
		}
	}
	return out
}

func variable(env, name string) string {
	for v := range strings.SplitSeq(env, "\x00") {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			return rest
		}
	}
	return ""
}

// keeperPID finds the keeper of a storage path, 0 = there is none. The oldest counts: what a keeper is about to start looks like
// it for a moment.
func keeperPID(dir string) int {
	found, since := 0, uint64(0)
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		line, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(line, []byte("\x00keep\x00-dir\x00"+filepath.Join(dir, "keeper")+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
		if ticks := startTicks(pid); ticks != 0 && (found == 0 || ticks < since || ticks == since && pid < found) {
			found, since = pid, ticks
		}
	}
	return found
}

// sweep ends, when the test is over, the keeper of a storage path and all it runs: what the product is made not to do.
func sweep(t *testing.T, dir string) {
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			all := marked("E2E_STATE=" + dir + "\x00")
			if pid := keeperPID(dir); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			} else if len(all) == 0 {
				return
			}
			for pid := range all {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		t.Errorf("processes of %s are left: %v", dir, marked("E2E_STATE="+dir+"\x00"))
	})
}

// services is a daemon's storage with a configuration of services.
type services struct {
	t    *testing.T
	dir  string
	conf string
	yaml strings.Builder
	addr string
}

func newServices(t *testing.T) *services {
	t.Helper()
	dir := t.TempDir()
	s := &services{t: t, dir: filepath.Join(dir, "state"), conf: filepath.Join(dir, "controlcenter.yaml"), addr: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	s.yaml.WriteString("services:\n")
	sweep(t, s.dir)
	return s
}

// add defines a service that starts with the daemon; more is further lines of its definition.
func (s *services) add(id string, command []string, more ...string) {
	quoted := make([]string, len(command))
	for i, c := range command {
		quoted[i] = strconv.Quote(c)
	}
	fmt.Fprintf(&s.yaml, "  %s:\n    command: [%s]\n    autostart: true\n    env: {E2E_STATE: %q, E2E_SERVICE: %q}\n", id, strings.Join(quoted, ", "), s.dir, id)
	for _, line := range more {
		s.yaml.WriteString("    " + line + "\n")
	}
}

func (s *services) serve() *daemon {
	s.t.Helper()
	return serve(s.t, s.launch())
}

// launch writes the configuration down and describes the daemon that has it.
func (s *services) launch() launch {
	s.t.Helper()
	write(s.t, s.conf, s.yaml.String())
	return launch{dir: s.dir, addr: s.addr, args: []string{"--config.file=" + s.conf}}
}

// lines calls visit with each line of a service's log, oldest first: of rotated and packed files, then of the live one. Parts of
// a line are put together. A line without its prefix is an error.
func (s *services) lines(id string, visit func(stream, text string)) {
	s.t.Helper()
	s.records(id, visit, func(text string) { s.t.Errorf("%s: torn line %q", id, text) })
}

// records is lines for a log that may have torn ones.
func (s *services) records(id string, visit func(stream, text string), torn func(text string)) {
	s.t.Helper()
	open := map[string]string{}
	for _, f := range s.openLog(id) {
		var r io.Reader = f
		if strings.HasSuffix(f.Name(), ".zst") {
			z, err := zstd.NewReader(f)
			if err != nil {
				s.t.Fatal(err)
			}
			defer z.Close()
			r = z
		}
		in := bufio.NewScanner(r)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			p := strings.SplitN(in.Text(), " ", 4)
			if len(p) != 4 {
				torn(in.Text())
				continue
			}
			if open[p[1]] += p[3]; p[2] != "P" {
				visit(p[1], open[p[1]])
				open[p[1]] = ""
			}
		}
		_ = f.Close()
	}
}

// openLog opens the files of a service's log, oldest first, each part once, as they were at one moment: the keeper may rotate and the
// daemon pack meanwhile.
func (s *services) openLog(id string) []*os.File {
	s.t.Helper()
	list := func() (names []string) {
		all, _ := filepath.Glob(filepath.Join(s.dir, "logs", id+".*"))
		slices.Sort(all) // digits sort before "log"
		for _, name := range all {
			if !strings.HasSuffix(name, ".tmp") && !slices.Contains(all, name+".zst") { // not finished; there in its packed form
				names = append(names, name)
			}
		}
		return names
	}
	var files []*os.File
	waitFor(s.t, "the log of "+id+" stays as it is while it is opened", func() bool {
		for _, f := range files {
			_ = f.Close()
		}
		files = files[:0]
		names := list()
		for _, name := range names {
			f, err := os.Open(name)
			if err != nil {
				return false
			}
			files = append(files, f)
		}
		return slices.Equal(list(), names)
	}, func() string { return strings.Join(list(), " ") })
	return files
}

// copies watches, until the returned function is called, that no service is ever there twice: two runs of it alive at once.
func (s *services) copies() (stop func()) {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
			}
			runs := map[string]string{}
			for _, env := range marked("E2E_STATE=" + s.dir + "\x00") {
				id, run := variable(env, "E2E_SERVICE"), variable(env, "CONTROLCENTER_RUN")
				other, known := runs[id]
				runs[id] = run
				if !known || other == run {
					continue
				}
				// One may have ended and the other begun while we looked. Not when one lives before and after the other does.
				lives := func(run string) bool { return len(marked("CONTROLCENTER_RUN="+run+"\x00")) > 0 }
				if lives(run) && lives(other) && lives(run) {
					s.t.Errorf("%s is there twice: runs %s and %s", id, other, run)
				}
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

// edits changes a definition over the API all the time. The returned function waits until the daemon answers no more and
// returns the number of the last change that was acknowledged.
func (s *services) edits(d *daemon) (last func() int) {
	done, acknowledged := make(chan struct{}), 0
	quit := make(chan struct{})
	first := edited(d) + 1
	go func() {
		defer close(done)
		for i := first; ; i++ {
			select {
			case <-quit:
				return
			default:
			}
			code, _ := d.send("PUT", "/api/services/edited", fmt.Sprintf(`{"command":["true"],"description":"%d"}`, i))
			switch {
			case code == http.StatusOK || code == http.StatusCreated:
				acknowledged = i
			case code != 0:
				s.t.Errorf("change %d: %d", i, code)
				return
			default:
				return
			}
		}
	}()
	return func() int { close(quit); <-done; return acknowledged }
}

// edited returns the number of the last change of that definition, 0 = there is none.
func edited(d *daemon) int {
	code, body := d.get("/api/services/edited")
	if code == http.StatusNotFound {
		return 0
	}
	var got struct{ Description string }
	if err := json.Unmarshal(body, &got); code != http.StatusOK || err != nil {
		d.t.Fatalf("the edited service: %d %s", code, body)
	}
	n, err := strconv.Atoi(got.Description)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestKilledDaemonTouchesNoServiceAndLosesNoExit(t *testing.T) {
	rounds := 50
	switch {
	case os.Getenv("CC_SOAK") != "":
		rounds = 1000
	case testing.Short():
		rounds = 15
	}
	s := newLoad(t, 7)
	d := s.serve()
	d.waitFor("the steady services run", func() bool { return len(s.identities()) == 2*s.each })
	before := s.identities()
	stop := s.copies()
	written := s.edits(d)
	for range rounds {
		time.Sleep(rand.N(300 * time.Millisecond)) // the fault comes at any moment
		d.kill()
		last := written()
		d = s.serve()
		if got := edited(d); got < last {
			t.Fatalf("change %d was acknowledged and is lost: the definition has %d", last, got)
		}
		written = s.edits(d)
	}
	stop()
	written()
	s.settle()
	s.everyExitIsKnown(d)
	s.untouched(before)
	s.everyLineIsThere()
}
