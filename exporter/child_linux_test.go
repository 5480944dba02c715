package exporter

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childVariable makes the test binary do one of runChild's jobs instead of the tests.
const childVariable = "CONTROLCENTER_TEST_CHILD"

func init() {
	if job := os.Getenv(childVariable); job != "" {
		runChild(job)
	}
}

// runChild does a job and ends the process. Most jobs live until their standard input ends.
func runChild(job string) {
	switch job {
	case "rename": // take the name given by the first argument
		must(os.WriteFile("/proc/self/comm", []byte(os.Args[1]), 0))
		fmt.Println("ready")
		waitForEnd()
	case "listen": // on the address given by the first argument, so that others may too
		listenChild(os.Args[1])
	case "listen hidden": // so that only root may see what it has open
		must(unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
		listenChild(os.Args[1])
	case "hold": // what it was handed
		fmt.Println("ready")
		waitForEnd()
	case "read ports":
		readPortsChild()
	case "nvidia-smi":
		fakeSMI()
	default:
		must(fmt.Errorf("no job %q", job))
	}
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(2)
	}
}

func waitForEnd() { _, _ = io.Copy(io.Discard, os.Stdin) }

// testChild is the test binary running as a child of the test; it ends with the test at the latest.
type testChild struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startChild starts a job of runChild; change may alter the command before its start.
func startChild(t testing.TB, job string, change func(*exec.Cmd), args ...string) *testChild {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &testChild{cmd: exec.Command(exe, args...)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+job)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if change != nil {
		change(c.cmd)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	return c
}

func (c *testChild) pid() int { return c.cmd.Process.Pid }

// line waits for the child's next line.
func (c *testChild) line(t testing.TB) string {
	t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("read the child's answer: %v", err)
	}
	return strings.TrimSuffix(s, "\n")
}

// tell sends the child a line.
func (c *testChild) tell(t testing.TB, s string) {
	t.Helper()
	if _, err := io.WriteString(c.in, s+"\n"); err != nil {
		t.Fatal(err)
	}
}

// end closes the child's input and waits until it is gone.
func (c *testChild) end() {
	if c.in == nil {
		return
	}
	c.in.Close()
	c.in = nil
	_ = c.cmd.Wait()
}
