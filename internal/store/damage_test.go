package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// makeState makes a closed directory with 2,000 records in several transactions, and a backup of an older state with 1,000.
func makeState(t testing.TB) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, Log: quiet(), BackupEvery: time.Hour, BackupKeep: 3})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1000)
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 2000)
	put(t, s, "last", item{"the last transaction", 1})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, s.path
}

func count(t testing.TB, s *Store) (n int) {
	t.Helper()
	err := s.View(t.Context(), func(tx *Tx) error {
		rows, err := items.List(tx, "", "", 0)
		n = len(rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// page0 is the place of a page that holds what is asked for.
func findPage(t *testing.T, b []byte, flags uint16, contains string) int {
	t.Helper()
	for at := 2 * 4096; at+4096 <= len(b); at += 4096 {
		id := binary.NativeEndian.Uint64(b[at:])
		if id == uint64(at/4096) && binary.NativeEndian.Uint16(b[at+8:]) == flags && strings.Contains(string(b[at:at+4096]), contains) {
			return at
		}
	}
	t.Fatalf("no page with flags %#x and %q", flags, contains)
	return 0
}

func newestMeta(b []byte) int {
	if binary.NativeEndian.Uint64(b[16+48:]) > binary.NativeEndian.Uint64(b[4096+16+48:]) {
		return 0
	}
	return 4096
}

// TestDamagedFileNeverPreventsAStart damages a file in a known way and says which state must be there afterwards.
func TestDamagedFileNeverPreventsAStart(t *testing.T) {
	const whole, lastButOne, backup, empty = 2001, 2000, 1000, 0
	for _, c := range []struct {
		name        string
		damage      func(t *testing.T, b []byte) []byte
		want        int
		quarantined bool
		from        string
	}{
		{"nothing", func(t *testing.T, b []byte) []byte { return b }, whole, false, ""},
		{"truncated to nothing", func(t *testing.T, b []byte) []byte { return nil }, backup, true, "state-"},
		{"truncated to one byte", func(t *testing.T, b []byte) []byte { return b[:1] }, backup, true, "state-"},
		{"truncated in the middle", func(t *testing.T, b []byte) []byte { return b[:len(b)/8] }, backup, true, "state-"},
		{"another file", func(t *testing.T, b []byte) []byte { return []byte(strings.Repeat("not a database\n", 5000)) }, backup, true, "state-"},
		{"both metas zeroed", func(t *testing.T, b []byte) []byte { clear(b[:8192]); return b }, backup, true, "state-"},
		{"newest meta torn", func(t *testing.T, b []byte) []byte { b[newestMeta(b)+16+40] ^= 1; return b }, lastButOne, false, ""},
		{"free list page zeroed", func(t *testing.T, b []byte) []byte {
			m := newestMeta(b)
			at := binary.NativeEndian.Uint64(b[m+16+32:]) * 4096
			clear(b[at : at+4096])
			return b
		}, whole, true, "own records"},
		{"free list names a used page", func(t *testing.T, b []byte) []byte {
			m := newestMeta(b)
			at := binary.NativeEndian.Uint64(b[m+16+32:]) * 4096
			binary.NativeEndian.PutUint64(b[at+16:], 2+uint64(findPage(t, b, flagLeaf, "xxxx"))/4096)
			return b
		}, whole, true, "own records"},
		{"free list counts more than the page holds", func(t *testing.T, b []byte) []byte {
			m := newestMeta(b)
			at := binary.NativeEndian.Uint64(b[m+16+32:]) * 4096
			binary.NativeEndian.PutUint16(b[at+10:], 0xffff)
			binary.NativeEndian.PutUint64(b[at+16:], 1<<60)
			return b
		}, whole, true, "own records"},
		{"root page of the last transaction zeroed", func(t *testing.T, b []byte) []byte {
			m := newestMeta(b)
			at := binary.NativeEndian.Uint64(b[m+16+16:]) * 4096
			clear(b[at : at+4096])
			return b
		}, lastButOne, true, "last but one"},
		{"branch page points to itself", func(t *testing.T, b []byte) []byte {
			for at := 8192; at < len(b); at += 4096 {
				if binary.NativeEndian.Uint16(b[at+8:]) == flagBranch {
					binary.NativeEndian.PutUint64(b[at+16+8:], uint64(at/4096))
				}
			}
			return b
		}, backup, true, "state-"},
		{"all leaf pages zeroed", func(t *testing.T, b []byte) []byte {
			for at := 8192; at < len(b); at += 4096 {
				if binary.NativeEndian.Uint16(b[at+8:]) == flagLeaf {
					clear(b[at : at+4096])
				}
			}
			return b
		}, backup, true, "state-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if os.Getpagesize() != 4096 {
				t.Skip("offsets of this test are those of 4 KiB pages")
			}
			dir, path := makeState(t)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b = c.damage(t, b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openTest(t, Options{Dir: dir})
			if got := count(t, s); got != c.want {
				t.Errorf("%d records, want %d", got, c.want)
			}
			info := s.Info()
			if got := info.QuarantinedNow != ""; got != c.quarantined || !strings.Contains(info.RestoredFrom, c.from) || (c.from == "") != (info.RestoredFrom == "") {
				t.Errorf("put aside %q, restored from %q; want %v, %q", info.QuarantinedNow, info.RestoredFrom, c.quarantined, c.from)
			}
			if c.quarantined {
				aside, err := os.ReadFile(info.Quarantined[0])
				if err != nil || string(aside) != string(b) {
					t.Errorf("the damaged file was not kept as it was: %v", err)
				}
			}
			put(t, s, "after", item{"writable", 1})
		})
	}
}

func TestLargeFileIsRebuiltFromItsRecords(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	err := s.Update(t.Context(), func(tx *Tx) error {
		for i := range 20 { // more than one transaction of the rebuild holds
			if err := items.Put(tx, fmt.Sprintf("%03d", i), item{strings.Repeat("y", 500_000), i}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "frees a page", item{})
	_ = s.Close()
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	at := binary.NativeEndian.Uint64(b[newestMeta(b)+16+32:]) * uint64(os.Getpagesize())
	clear(b[at : at+16])
	if err := os.WriteFile(s.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Dir: dir})
	if n := count(t, s); n != 21 || !strings.Contains(s.Info().RestoredFrom, "own records") {
		t.Errorf("%d records, %+v", n, s.Info())
	}
	err = s.Update(t.Context(), func(tx *Tx) error {
		for want := uint64(1); want < 3; want++ {
			if id, err := items.NextID(tx); err != nil || id != want {
				t.Errorf("NextID = %d, %v; want %d", id, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDamagedFileWithoutBackupStartsEmpty(t *testing.T) {
	dir, path := makeState(t)
	if err := os.RemoveAll(filepath.Join(dir, "backups")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 20000); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, Options{Dir: dir})
	if n := count(t, s); n != 0 || len(s.Info().Quarantined) != 1 || !strings.Contains(s.Info().RestoredFrom, "empty") {
		t.Errorf("%d records, %+v", n, s.Info())
	}
}

func TestDamagedBackupIsPassedOver(t *testing.T) {
	dir, path := makeState(t)
	s, err := Open(t.Context(), Options{Dir: dir, Log: quiet(), BackupKeep: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := s.backupNames()
	if len(names) != 2 {
		t.Fatalf("backups: %v", names)
	}
	_ = s.Close()
	if err := os.Truncate(filepath.Join(s.backupDir(), names[1]), 30000); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 30000); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Dir: dir})
	if n, from := count(t, s), s.Info().RestoredFrom; n != 1000 || filepath.Base(from) != names[0] {
		t.Errorf("%d records from %s, want 1000 from %s", n, from, names[0])
	}
}

func TestMissingFileIsRestoredFromBackup(t *testing.T) {
	dir, path := makeState(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, Options{Dir: dir})
	if n := count(t, s); n != 1000 || s.Info().RestoredFrom == "" {
		t.Errorf("%d records, restored from %q", n, s.Info().RestoredFrom)
	}
}

func TestFlippedBitInAValueHidesThatRecordOnly(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	put(t, s, "a", item{"good", 1})
	put(t, s, "b", item{"to-be-damaged", 2})
	put(t, s, "c", item{"good", 3})
	_ = s.Close()
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	damagedAt := 0
	for i := range b {
		if strings.HasPrefix(string(b[i:min(i+13, len(b))]), "to-be-damaged") {
			b[i] ^= 1
			damagedAt++
		}
	}
	if damagedAt == 0 {
		t.Fatal("the record is not in the file")
	}
	if err := os.WriteFile(s.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Dir: dir})
	if n := count(t, s); n != 2 {
		t.Errorf("%d records listed, want the 2 good ones", n)
	}
	if _, err := get(t, s, "b"); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged record: %v, want ErrDamaged", err)
	}
	if info := s.Info(); info.DamagedRecords != 1 || !strings.Contains(info.Degraded, "1 damaged") || info.QuarantinedNow != "" {
		t.Errorf("Info = %+v", info)
	}
	put(t, s, "b", item{"new", 2}) // the way out: write it again
	if v, err := get(t, s, "b"); err != nil || v.Name != "new" {
		t.Errorf("rewritten record: %v, %v", v, err)
	}
}

// TestRandomDamageNeverPreventsAStart does to the file what disks and people do, at random places.
func TestRandomDamageNeverPreventsAStart(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir, path := makeState(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 25
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		b := append([]byte(nil), good...)
		for range 1 + rng.IntN(4) {
			at := rng.IntN(len(b))
			switch rng.IntN(5) {
			case 0:
				b[at] ^= 1 << rng.IntN(8)
			case 1:
				at &^= 4095
				clear(b[at:min(at+4096, len(b))])
			case 2:
				b = b[:at+1]
			case 3:
				from := rng.IntN(len(b)) &^ 4095
				copy(b[at&^4095:], b[from:min(from+4096, len(b))])
			case 4:
				at &^= 4095 // page headers and elements are where it hurts
				b[min(at+rng.IntN(64), len(b)-1)] = byte(rng.IntN(256))
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		n := count(t, s)
		rewriteMetas(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if err := boltCheck(path); err != nil {
			t.Errorf("round %d, %d records: %v", round, n, err)
		}
	}
	if names, _ := filepath.Glob(path + ".corrupt-*"); len(names) > keepAside {
		t.Errorf("%d damaged files were kept, want at most %d", len(names), keepAside)
	}
}

// rewriteMetas commits twice, once for each meta page: bbolt's check, alone, also looks at the header of a meta page, which no
// checksum covers and nothing else reads.
func rewriteMetas(t testing.TB, s *Store) {
	t.Helper()
	put(t, s, "after", item{N: 1})
	put(t, s, "after", item{N: 2})
}
