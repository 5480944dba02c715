package logs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWriterProcess is the process that TestAKilledWriter kills.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv("LOGS_TEST_DIR")
	if dir == "" {
		t.Skip("only as the child of another test")
	}
	next, err := strconv.Atoi(os.Getenv("LOGS_TEST_NEXT"))
	must(t, err)
	w := newWriter(t, dir, Settings{MaxSize: 32 << 10, Keep: -1})
	var data []byte
	for {
		data = data[:0]
		for range 100 {
			data = fmt.Appendf(data, "%09d is whole\n", next)
			next++
		}
		put(t, w, Stdout, string(data), time.Now())
	}
}

// A writer killed at any moment leaves at most one torn line, the next one goes on behind it, and a reader of another process
// sees every whole line exactly once.
func TestAKilledWriterTearsAtMostItsLastLine(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	d := Open(dir)
	next, torn := 0, 0
	number := func(text string) (int, bool) {
		digits, whole := strings.CutSuffix(text, " is whole")
		n, err := strconv.Atoi(digits)
		return n, whole && len(digits) == 9 && err == nil
	}
	enough := 0
	run := func(from int64) (last int64) {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriterProcess$")
		child.Env = append(os.Environ(), "LOGS_TEST_DIR="+dir, "LOGS_TEST_NEXT="+strconv.Itoa(next))
		must(t, child.Start())
		check := func(lines []Line) error {
			for _, l := range lines {
				last = l.Next
				n, ok := number(l.Text)
				switch {
				case !ok:
					torn++
				case n != next:
					return fmt.Errorf("got %d, want %d", n, next)
				default:
					next++
				}
			}
			if next >= enough {
				return errEnough
			}
			return nil
		}
		enough = next + 2000
		err := d.Follow(t.Context(), "web", from, Filter{}, check)
		must(t, child.Process.Kill())
		_ = child.Wait()
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		w := newWriter(t, dir, Settings{MaxSize: 32 << 10, Keep: -1}) // mends
		must(t, w.Close())
		for { // what came between the last look and the death
			enough = 1 << 62
			p, err := d.Range(t.Context(), "web", last, 10000, Filter{})
			must(t, err)
			must(t, check(p.Lines))
			if last = p.Next; !p.Truncated {
				return last
			}
		}
	}
	from := int64(0)
	for i := range kills {
		if from = run(from); torn > i+1 {
			t.Fatalf("%d torn lines after %d kills", torn, i+1)
		}
	}
	t.Logf("%d lines, %d torn", next, torn)
}
