//go:build unix

package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// demoProcess starts a mode as a process of its own, and kills it when the test ends.
func demoProcess(t *testing.T, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd := exec.CommandContext(ctx, self, append([]string{"demo"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

func nextLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func TestDemoSteadyAnswersAndEndsCleanly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd, out := demoProcess(t, "steady", "--port", port, "--every", "1ms")
	if got := nextLine(t, out); got != "listening on http://127.0.0.1:"+port {
		t.Fatal(got)
	}
	if one, two := nextLine(t, out), nextLine(t, out); one != "000001 all is well" || two != "000002 all is well" {
		t.Errorf("%q %q", one, two)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(string(rest), "asked to end\nbye\n") {
		t.Errorf("%v: %q", err, rest)
	}
}

func TestDemoCrashJobAndLines(t *testing.T) {
	cmd, out := demoProcess(t, "crash", "--after", "1ms")
	_, _ = io.ReadAll(out)
	ee, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || ee.ExitCode() != 3 {
		t.Errorf("crash: %v", ee)
	}
	cmd, out = demoProcess(t, "job", "--every", "1ms")
	text, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil || string(text) != "step 1 of 4\nstep 2 of 4\nstep 3 of 4\nstep 4 of 4\ndone\n" {
		t.Errorf("job: %v %q", err, text)
	}
	_, out = demoProcess(t, "lines", "--bytes", "5000000", "--size", "50")
	for n := 1; n <= 100_000; n++ {
		line := nextLine(t, out)
		if got, err := strconv.Atoi(line[:12]); err != nil || got != n || len(line) != 49 {
			t.Fatalf("line %d: %q", n, line)
		}
	}
	if more, _ := io.ReadAll(out); len(more) > 0 {
		t.Errorf("%d bytes more", len(more))
	}
	_, out = demoProcess(t, "lines", "--rate", "20000", "--stamp", "--bytes", "200000")
	stamps := make([]string, 0, 2000)
	for n := 1; n <= 2000; n++ {
		line := nextLine(t, out)
		if got, err := strconv.Atoi(line[:12]); err != nil || got != n || len(line) != 99 || line[26:28] != " x" {
			t.Fatalf("line %d: %q", n, line)
		}
		stamps = append(stamps, line[13:26])
	}
	if ms, err := strconv.ParseInt(stamps[0], 10, 64); err != nil || time.Since(time.UnixMilli(ms)).Abs() > time.Hour || !slices.IsSorted(stamps) {
		t.Errorf("stamps from %s to %s", stamps[0], stamps[len(stamps)-1])
	}
	for _, args := range [][]string{{"demo", "lines", "--rate", "-1"}, {"demo", "lines", "--rate", "1", "--every", "1s"}, {"demo", "lines", "--stamp", "--size", "27"}} {
		if r := runCLI(t, nil, args...); r.code != ExitFailed || !strings.Contains(r.err, "--") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, args := range [][]string{{"demo"}, {"demo", "nosuch"}} {
		if r := runCLI(t, nil, args...); r.code != ExitUsage || !strings.Contains(r.err, "demo steady") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := runCLI(t, nil, "--help"); strings.Contains(r.out, "demo") {
		t.Error("the modes are not hidden")
	}
}

func TestDemoTreeLeavesItsChildren(t *testing.T) {
	cmd, out := demoProcess(t, "tree")
	pid := map[string]int{}
	for len(pid) < 4 {
		name, number, _ := strings.Cut(nextLine(t, out), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(name, number)
		}
		pid[name] = n
	}
	for _, name := range []string{"stubborn", "forked", "daemon"} {
		t.Cleanup(func() { _ = syscall.Kill(pid[name], syscall.SIGKILL) })
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := nextLine(t, out); got != "tree ends and leaves its children" {
		t.Error(got)
	}
	for _, name := range []string{"stubborn", "daemon"} {
		if err := syscall.Kill(pid[name], syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The forked one ends on SIGTERM; the others are still there after that.
	if err := syscall.Kill(pid["forked"], syscall.SIGTERM); err != nil {
		t.Errorf("forked: %v", err)
	}
	for _, name := range []string{"stubborn", "daemon"} {
		if err := syscall.Kill(pid[name], 0); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	if sid, err := unix.Getsid(pid["daemon"]); err == nil && sid != pid["daemon"] {
		t.Errorf("the daemon is in session %d, not in its own", sid)
	}
}
