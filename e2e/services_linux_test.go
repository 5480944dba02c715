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

// keeperPID finds the keeper of a storage path.
func keeperPID(dir string) int {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range all {
		line, err := os.ReadFile(name)
		if err == nil && bytes.Contains(line, []byte("\x00keep\x00-dir\x00"+filepath.Join(dir, "keeper")+"\x00")) {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			return pid
		}
	}
	return 0
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
	write(s.t, s.conf, s.yaml.String())
	return serve(s.t, launch{dir: s.dir, addr: s.addr, args: []string{"--config.file=" + s.conf}})
}

// lines calls visit with each line of a service's log, oldest first: of rotated and packed files, then of the live one.
func (s *services) lines(id string, visit func(stream, text string)) {
	s.t.Helper()
	files, _ := filepath.Glob(filepath.Join(s.dir, "logs", id+".*"))
	slices.Sort(files) // digits sort before "log"
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".zst") {
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
			if p := strings.SplitN(in.Text(), " ", 4); len(p) == 4 {
				visit(p[1], p[3])
			} else {
				s.t.Errorf("%s: torn line %q", name, in.Text())
			}
		}
		_ = f.Close()
	}
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
	s := newServices(t)
	work := t.TempDir()
	settle := filepath.Join(work, "settle")
	const each = 7
	for i := range each {
		s.add(fmt.Sprintf("steady%d", i), []string{"sleep", "100000"})
		s.add(fmt.Sprintf("lines%d", i), []string{binary, "demo", "lines", "--every", "1ms"})
		// It exits with 7 again and again, and notes each time in a file of its own, until it is told to settle.
		s.add(fmt.Sprintf("crash%d", i), []string{"sh", "-c", fmt.Sprintf("[ -e %s ] && exec sleep 100000; echo begun; sleep 0.%d; echo x >> %s/exits%d; exit 7", settle, i+1, work, i)},
			"restart: {policy: always, initial: 20ms, max: 100ms, limit: {attempts: 0}}")
	}
	d := s.serve()
	pids := func() map[string]string {
		out := map[string]string{}
		for pid, env := range marked("E2E_STATE=" + s.dir + "\x00") {
			if id := variable(env, "E2E_SERVICE"); !strings.HasPrefix(id, "crash") {
				out[id] = strconv.Itoa(pid)
			}
		}
		return out
	}
	d.waitFor("the steady services run", func() bool { return len(pids()) == 2*each })
	before := pids()
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
	write(t, settle, "")
	count := func(i int) float64 {
		b, _ := os.ReadFile(fmt.Sprintf("%s/exits%d", work, i))
		return float64(bytes.Count(b, []byte("x")))
	}
	crashes := func(i int) float64 {
		v, _ := d.metric(fmt.Sprintf(`controlcenter_service_crashes_total{service="crash%d"}`, i))
		return v
	}
	for i := range each {
		noted, counted := 0.0, 0.0
		waitFor(t, fmt.Sprintf("every exit of crash%d is counted, once", i), func() bool { noted, counted = count(i), crashes(i); return counted == noted },
			func() string { return fmt.Sprintf("noted %v, counted %v\n%s", noted, counted, d.log) })
		ends := 0.0
		s.lines(fmt.Sprintf("crash%d", i), func(stream, text string) {
			if stream == "keeper" && strings.HasPrefix(text, "end ") {
				if ends++; !strings.HasSuffix(text, " code=7") {
					t.Errorf("crash%d: %s", i, text)
				}
			}
		})
		if ends != count(i) || ends == 0 {
			t.Errorf("crash%d: %v ends in the log, %v exits", i, ends, count(i))
		}
	}
	if after := pids(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the steady services were %v and are %v", before, after)
	}
	for i := range each {
		next := 1
		s.lines(fmt.Sprintf("lines%d", i), func(stream, text string) {
			if stream != "stdout" {
				return
			}
			number, _, _ := strings.Cut(text, " ")
			n, err := strconv.Atoi(number)
			if err != nil || n != next || len(text) != 99 {
				t.Errorf("lines%d: %q where number %d was due", i, text, next)
			}
			next = n + 1
		})
		if next < 100 {
			t.Errorf("lines%d: only %d lines", i, next)
		}
	}
}
