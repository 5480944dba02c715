package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

// exactly checks that the numbers 0, 1, 2 … come, each once.
type exactly struct {
	next  int
	until int
}

func (e *exactly) take(lines []Line) error {
	for _, l := range lines {
		text, _, _ := strings.Cut(l.Text, " ")
		if text != strconv.Itoa(e.next) || l.Partial {
			return fmt.Errorf("got line %.80q (partial %t) at %d, want %d", l.Text, l.Partial, l.Pos, e.next)
		}
		if e.next++; e.next == e.until {
			return errEnough
		}
	}
	return nil
}

// Several followers and pagers see every number exactly once while the file is rotated after each few lines and the packer
// does one pass after the other.
func TestNothingIsSkippedOrRepeatedWhileRotatedAndPackedAtFullSpeed(t *testing.T) {
	n, size := 60_000, int64(16<<10)
	if testing.Short() {
		n = 30_000
	}
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: size, Keep: -1})
	put(t, w, Stdout, "0\n", time.Now())
	d := Open(dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers, packer sync.WaitGroup
	var failed atomic.Bool
	fail := func(format string, args ...any) {
		failed.Store(true)
		t.Errorf(format, args...)
	}
	reader := func(name string, read func() error) {
		readers.Go(func() {
			if err := read(); !errors.Is(err, errEnough) {
				fail("%s: %v", name, err)
			}
		})
	}
	for i := range 3 {
		e := &exactly{until: n}
		reader("follower "+strconv.Itoa(i), func() error { return d.Follow(ctx, "web", 0, Filter{}, e.take) })
	}
	lazy := &exactly{until: n}
	reader("lazy follower", func() error {
		return d.Follow(ctx, "web", 0, Filter{}, func(l []Line) error {
			for range 50 {
				runtime.Gosched()
			}
			return lazy.take(l)
		})
	})
	again := &exactly{until: n}
	reader("follower that comes again", func() error {
		for from := int64(0); ; {
			err := d.Follow(ctx, "web", from, Filter{}, func(l []Line) error {
				if err := again.take(l); err != nil {
					return err
				}
				from = l[len(l)-1].Next
				return context.Canceled
			})
			if !errors.Is(err, context.Canceled) || ctx.Err() != nil {
				return err
			}
		}
	})
	paged := &exactly{until: n}
	reader("pages", func() error {
		for from := int64(0); ; {
			p, err := d.Range(ctx, "web", from, 100, Filter{})
			if err == nil {
				err = paged.take(p.Lines)
			}
			if err != nil {
				return err
			}
			from = p.Next
		}
	})
	packer.Go(func() {
		p := NewPacker(d, PackerOptions{Retention: keepAll})
		for ctx.Err() == nil {
			if _, err := p.Pack(ctx); err != nil && ctx.Err() == nil {
				fail("pack: %v", err)
				return
			}
		}
	})
	packer.Go(func() { // tails are whole and in order
		for ctx.Err() == nil {
			p, err := d.Tail(ctx, "web", 20, Filter{})
			if ctx.Err() != nil {
				return
			}
			if err != nil || len(p.Lines) == 0 {
				fail("tail: %d lines, %v", len(p.Lines), err)
				return
			}
			first, _, _ := strings.Cut(p.Lines[0].Text, " ")
			e := &exactly{until: -1}
			if e.next, err = strconv.Atoi(first); err != nil {
				fail("tail: %v", err)
			}
			if err := e.take(p.Lines); err != nil {
				fail("tail: %v", err)
			}
		}
	})

	var chunk []byte
	pad := strings.Repeat(" pad", 30)
	for i := 1; i < n && !failed.Load(); i++ {
		chunk = append(strconv.AppendInt(chunk, int64(i), 10), pad[:i%len(pad)]...)
		chunk = append(chunk, '\n')
		if cut := i % 97; len(chunk) > 1000+cut || i == n-1 { // chunks end inside lines too
			if i == n-1 {
				cut = 0
			}
			cut = min(cut, len(chunk))
			put(t, w, Stdout, string(chunk[:len(chunk)-cut]), time.Now())
			chunk = append(chunk[:0], chunk[len(chunk)-cut:]...)
		}
	}
	if failed.Load() {
		cancel()
	}
	readers.Wait()
	cancel()
	packer.Wait()
	segs, err := rotated(dir, "web")
	must(t, err)
	t.Logf("%d rotated files", len(segs))
}

func TestFollowWaitsForTheFileAndEndsWithTheRun(t *testing.T) {
	dir := t.TempDir()
	d := Open(dir)
	got := make(chan Line, 100)
	done := make(chan error, 1)
	go func() {
		done <- d.Follow(t.Context(), "web", 0, Filter{Run: "b", Marks: true}, func(lines []Line) error {
			for _, l := range lines {
				got <- l
			}
			return nil
		})
	}()
	w := newWriter(t, dir, Settings{Keep: -1})
	put(t, w, Stdout, "other\n", at)
	must(t, w.Mark("start run=b pid=1", at))
	put(t, w, Stdout, "mine\n", at)
	if l := <-got; l.Text != "start run=b pid=1" {
		t.Fatalf("got %q", l.Text)
	}
	must(t, w.Rotate())
	put(t, w, Stderr, "mine too\n", at)
	must(t, w.Mark("end run=b code=0", at))
	put(t, w, Stdout, "not mine\n", at)
	must(t, <-done)
	close(got)
	var rest []string
	for l := range got {
		rest = append(rest, l.Text)
	}
	same(t, "lines", rest, []string{"mine", "in run=b", "mine too", "end run=b code=0"})

	// Once ended, it is given whole and at once.
	n := 0
	must(t, d.Follow(t.Context(), "web", 0, Filter{Run: "b"}, func(lines []Line) error { n += len(lines); return nil }))
	if n != 2 {
		t.Errorf("%d lines of the ended run", n)
	}
}

func TestFollowGoesOnWhereTailEnded(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 4096, Keep: -1})
	d := Open(dir)
	for i := range 1000 {
		put(t, w, Stdout, strconv.Itoa(i)+"\n", at)
	}
	p, err := d.Tail(t.Context(), "web", 10, Filter{})
	must(t, err)
	e := exactly{next: 990, until: 2000}
	must(t, e.take(p.Lines))
	for i := 1000; i < 2000; i++ {
		put(t, w, Stdout, strconv.Itoa(i)+"\n", at)
	}
	if err := d.Follow(t.Context(), "web", p.Next, Filter{}, e.take); !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestFollowShowsAPromptThatHasNoEnd(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	put(t, w, Stdout, "password: ", at)
	must(t, w.Flush(at.Add(time.Second)))
	d := Open(dir)
	var got []Line
	err := d.Follow(t.Context(), "web", 0, Filter{}, func(lines []Line) error {
		if got = append(got, lines...); len(got) == 1 {
			put(t, w, Stdout, "accepted\n", at)
			return nil
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	same(t, "lines", texts(got), []string{"password: ", "accepted"})
	if !got[0].Partial || got[1].Partial || got[1].Pos != got[0].Next {
		t.Errorf("got %+v", got)
	}
}

func TestAFollowerIsToldWhatWasRemovedBeforeIt(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 4096, Keep: 2})
	d := Open(dir)
	put(t, w, Stdout, "0\n", at)
	var got []Line
	err := d.Follow(t.Context(), "web", 0, Filter{Marks: true}, func(lines []Line) error {
		if len(got) == 0 {
			for i := 1; i < 1000; i++ { // while this one is slow
				put(t, w, Stdout, strconv.Itoa(i)+"\n", at)
			}
		}
		if got = append(got, lines...); got[len(got)-1].Text == "999" {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	lost := int64(-1)
	for i, l := range got[1:] {
		if l.Stream != "keeper" {
			continue
		}
		if lost >= 0 {
			t.Fatalf("a second gap: %+v", l)
		}
		lost = got[i+2].Pos - got[i].Next
		if want := fmt.Sprintf("gap why=removed bytes=%d", lost); l.Text != want {
			t.Errorf("got %q, want %q", l.Text, want)
		}
	}
	if lost <= 0 {
		t.Errorf("no gap in %d lines", len(got))
	}
}

func TestFollowersShareOneWatcherAndLeaveNone(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	put(t, w, Stdout, "line\n", at)
	d := Open(dir)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var ready sync.WaitGroup
	for range 5 {
		ready.Add(1)
		all.Go(func() {
			err := d.Follow(ctx, "web", 0, Filter{}, func([]Line) error { ready.Done(); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	d.hints.mu.Lock()
	if n := len(d.hints.waiting["web"]); n != 5 {
		t.Errorf("%d are waiting", n)
	}
	d.hints.mu.Unlock()
	cancel()
	all.Wait()
	if d.hints.watcher != nil || len(d.hints.waiting) != 0 {
		t.Error("the watcher is left")
	}
}

func TestFollowWorksWithoutAWatcher(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later") // cannot be watched: it is not there yet
	d := Open(dir)
	hint, leave := d.hints.join("web")
	defer leave()
	if d.hints.watcher != nil || hint == nil {
		t.Fatal("there is a watcher")
	}
	e := exactly{until: 100}
	done := make(chan error, 1)
	go func() { done <- d.Follow(t.Context(), "web", 0, Filter{}, e.take) }()
	w := newWriter(t, dir, Settings{})
	for i := range 100 {
		put(t, w, Stdout, strconv.Itoa(i)+"\n", at)
	}
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestRemovedAndBegunAgain(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	for range 1000 {
		put(t, w, Stdout, "old\n", at)
	}
	d := Open(dir)
	p, err := d.Tail(t.Context(), "web", 1, Filter{})
	must(t, err)
	must(t, w.Close())
	must(t, d.Remove(t.Context(), "web"))
	w = newWriter(t, dir, Settings{})
	put(t, w, Stdout, "new\n", at)
	p, err = d.Range(t.Context(), "web", p.Next, 10, Filter{})
	must(t, err)
	same(t, "lines", texts(p.Lines), []string{"new"})
}

func TestPackerRunsWhenAsked(t *testing.T) {
	dir := t.TempDir()
	w, _ := numbered(t, dir, 1000, 8<<10)
	must(t, w.Rotate())
	passes := make(chan struct{}, 100)
	ctx, cancel := context.WithCancelCause(t.Context())
	p := NewPacker(Open(dir), PackerOptions{Every: time.Hour, Retention: func(string) Retention {
		select {
		case passes <- struct{}{}:
		default:
		}
		return Retention{Keep: -1}
	}})
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-passes
	p.Ask()
	p.Ask()
	<-passes
	cancel(errEnough)
	if err := <-done; !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
