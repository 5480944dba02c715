package kb

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPagesThatWereGivenBackAreReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "with blank")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("mapped "), 1<<20)
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f := must(os.Open(name))
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	if !bytes.Equal(data, want) {
		t.Fatal("the mapping does not show the file")
	}
	if err := pageOut(dir); err != nil {
		t.Log(err) // of a system that cannot
	}
	if !bytes.Equal(data, want) {
		t.Error("the mapping shows something else")
	}
}

func TestTidyingUpLosesNothing(t *testing.T) {
	r := exampleRig(t)
	before := r.ids()
	r.tidy()
	check(t, "files", len(r.ids()), len(before))
	j := r.scan(ScanRequest{Force: true})
	check(t, "indexed", j.Indexed, len(before))
}
