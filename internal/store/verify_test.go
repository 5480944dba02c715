package store

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzOpenMangledFile opens a directory whose state file is arbitrary bytes laid over a good file.
func FuzzOpenMangledFile(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(context.Background(), Options{Dir: dir, Log: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	fill(f, s, 100)
	_ = s.Close()
	good, err := os.ReadFile(s.path)
	if err != nil {
		f.Fatal(err)
	}
	good = good[:min(len(good), 16*4096)]
	f.Add(0, []byte{}, len(good), false)
	f.Add(4096*3, []byte{1, 2, 3}, len(good), false)
	f.Add(8192+16, []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), 1<<15, false)
	for field := 0; field < metaSize-8; field += 8 {
		f.Add(newestMeta(good)+headerSize+field, []byte{3}, len(good), true)
	}
	f.Fuzz(func(t *testing.T, at int, patch []byte, size int, seal bool) {
		b := append([]byte(nil), good...)
		if at >= 0 && at < len(b) {
			copy(b[at:], patch)
		}
		if size >= 0 && size < len(b) {
			b = b[:size]
		}
		if seal { // a checksum that fits lets damage of the metas' fields through to what reads them
			for _, meta := range []int{headerSize, 4096 + headerSize} {
				if meta+metaSize <= len(b) {
					sum := fnv.New64a()
					_, _ = sum.Write(b[meta : meta+metaSize-8])
					binary.NativeEndian.PutUint64(b[meta+metaSize-8:], sum.Sum64())
				}
			}
		}
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(context.Background(), Options{Dir: dir, Log: quiet()})
		if errors.Is(err, errVersion) { // a file of another format is left alone
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		count(t, s)
		rewriteMetas(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := boltCheck(path); err != nil {
			t.Error(err)
		}
	})
}

// TestCheckFindsWhatBboltFinds compares both checks on damaged files that bbolt survives: whatever bbolt reports, ours must.
func TestCheckFindsWhatBboltFinds(t *testing.T) {
	_, path := makeState(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	both := 0
	for range 40 {
		b := append([]byte(nil), good...)
		// Only page ids and keys: wrong offsets would end this process inside bbolt.
		at := 8192 + rng.IntN((len(b)-8192)/4096)*4096
		if rng.IntN(2) == 0 {
			b[at] ^= 1
		} else if i := strings.Index(string(b[at:]), "0000"); i >= 0 {
			b[at+i] = 'x'
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		report, ours := verifyFile(path, time.Time{}, nil)
		theirs := guard("check", func() error { return boltCheck(path) })
		if theirs != nil {
			both++
			if ours == nil {
				t.Errorf("bbolt reports %v, ours %+v", theirs, report)
			}
		}
	}
	if both == 0 {
		t.Error("no damage was found by bbolt: the comparison shows nothing")
	}
}
