package logs

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of 256 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A full disk leaves whole lines, and what was not taken can be given again: nothing is lost or doubled.
func TestAFullDiskTearsNothingAndBlockingLosesNothing(t *testing.T) {
	dir := smallDisk(t)
	w := newWriter(t, dir, Settings{MaxSize: 20 << 10, Keep: -1})
	d := Open(dir)
	var want []string
	var data []byte
	for i := range 8000 {
		want = append(want, strconv.Itoa(i)+strings.Repeat("-", i%90))
		data = append(append(data, want[i]...), '\n')
	}
	var got []string
	from := int64(0)
	read := func() {
		p, err := d.Range(t.Context(), "web", from, len(want), Filter{})
		must(t, err)
		got = append(got, texts(p.Lines)...)
		from = p.Next
	}
	full := 0
	for chunk := 1; len(data) > 0; chunk = chunk*7%60000 + 1 {
		n, err := w.Append(Stdout, data[:min(chunk, len(data))], at)
		data = data[n:]
		if err == nil {
			continue
		}
		if full++; !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		for _, name := range fileNames(t, dir) {
			if b := disk(t, dir, name); len(b) > 0 && b[len(b)-1] != '\n' {
				t.Fatalf("%s is torn: %q", name, b[max(0, len(b)-80):])
			}
		}
		if w.Position() != func() int64 { _, end, _ := d.Bounds(t.Context(), "web"); return end }() {
			t.Fatalf("position %d is not that of the file", w.Position())
		}
		read() // all there is, then make room
		_, err = NewPacker(d, PackerOptions{Retention: func(string) Retention { return Retention{Keep: 1} }}).Pack(t.Context())
		must(t, err)
	}
	must(t, w.Finish(at))
	read()
	same(t, "lines", got, want)
	if full < 2 {
		t.Errorf("the disk was full %d times only", full)
	}
	if _, n := w.Counts(); n != int64(len(want)) {
		t.Errorf("%d lines counted", n)
	}
}

func TestAFullDiskWithDroppingSaysWhatIsMissing(t *testing.T) {
	dir := smallDisk(t)
	w := newWriter(t, dir, Settings{Keep: -1})
	must(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 200<<10), 0o600))
	for i := range 5000 {
		line := []byte(strconv.Itoa(i) + " of many lines\n")
		n, err := w.Append(Stdout, line, at)
		if err != nil {
			w.Drop(Stdout, line[n:])
		}
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	put(t, w, Stdout, "5000 of many lines\n", at)
	lines := all(t, Open(dir), 0, Filter{Marks: true})
	for i, l := range lines[:len(lines)-2] {
		if l.Text != strconv.Itoa(i)+" of many lines" {
			t.Fatalf("line %d: %q", i, l.Text)
		}
	}
	_, lost := w.Dropped()
	mark := lines[len(lines)-2]
	if int(lost)+len(lines)-2 != 5000 || lost == 0 || !strings.HasPrefix(mark.Text, "dropped lines="+strconv.Itoa(int(lost))+" bytes=") {
		t.Errorf("%d dropped, %d lines, mark %q", lost, len(lines), mark.Text)
	}
}

// The time of the processor for 100 MB of a service's output, the kernel's part too.
func BenchmarkAppendCPU(b *testing.B) {
	w := newWriter(b, b.TempDir(), Settings{MaxSize: 64 << 20, Keep: 2})
	data := hundred()
	cpu := func() time.Duration {
		var u syscall.Rusage
		must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.SetBytes(int64(len(data)))
	n, began := 0, cpu()
	for b.Loop() {
		if _, err := w.Append(Stdout, data, time.Now()); err != nil {
			b.Fatal(err)
		}
		n += len(data)
	}
	b.ReportMetric((cpu()-began).Seconds()*100e6/float64(n), "cpu-s/100MB")
}
