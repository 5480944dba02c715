package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
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
	rounds := 60
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

func TestFileDamagedWhileOpenIsReplacedBeforeTheNextUpdate(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 1000)
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1500)
	w := s.Watch(items.Name())
	// The shared map shows the change at once, as it would show a bad sector.
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[8192:])
	if err := os.WriteFile(s.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, s, "000001"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("read of a zeroed page: %v, want ErrUnavailable", err)
	}
	put(t, s, "after", item{})
	if n := count(t, s); n != 1001 {
		t.Errorf("%d records after the repair, want 1001 (backup and the new one)", n)
	}
	<-w.C
	if info := s.Info(); info.QuarantinedNow == "" || info.Degraded != "" {
		t.Errorf("Info = %+v", info)
	}
}

func TestFileTruncatedWhileOpenIsReplacedBeforeTheNextUpdate(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 1000)
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path, 8192); err != nil {
		t.Fatal(err)
	}
	// Reading behind the end of a mapped file is SIGBUS; it must become an error.
	if _, err := get(t, s, "000001"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("read behind the end: %v, want ErrUnavailable", err)
	}
	put(t, s, "after", item{})
	if n := count(t, s); n != 1001 {
		t.Errorf("%d records after the repair, want 1001", n)
	}
}

func TestFileOfANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	newer := append(migrations(), func(tx *Tx) error { return items.Put(tx, "from the future", item{}) })
	s, err := open(t.Context(), Options{Dir: dir, Log: quiet()}, newer)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	before, _ := os.ReadFile(s.path)
	_, err = Open(t.Context(), Options{Dir: dir, Log: quiet()})
	var se *SchemaError
	if !errors.As(err, &se) || se.File != len(newer) || se.Known != len(newer)-1 {
		t.Fatalf("Open = %v, want a SchemaError", err)
	}
	for _, want := range []string{s.path, fmt.Sprintf("version %d", se.File), fmt.Sprintf("up to %d", se.Known)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
	after, _ := os.ReadFile(s.path)
	if string(before) != string(after) {
		t.Error("the file was changed")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*corrupt*")); len(names) > 0 {
		t.Errorf("put aside: %v", names)
	}
}

func TestMigrationKeepsACopyAndHappensWholeOrNotAtAll(t *testing.T) {
	dir, path := makeState(t)
	step := func(fail bool) migration {
		return func(tx *Tx) error {
			if err := items.Put(tx, "migrated", item{}); err != nil {
				return err
			}
			if fail {
				return errors.New("step failed")
			}
			return nil
		}
	}
	_, err := open(t.Context(), Options{Dir: dir, Log: quiet()}, append(migrations(), step(true)))
	if err == nil || !strings.Contains(err.Error(), "step failed") || !strings.Contains(err.Error(), path) {
		t.Fatalf("failed migration: %v", err)
	}
	s := openTest(t, Options{Dir: dir}) // the older program still can
	if n := count(t, s); n != 2001 {
		t.Errorf("%d records after a failed migration, want 2001", n)
	}
	_ = s.Close()

	s, err = open(t.Context(), Options{Dir: dir, Log: quiet()}, append(migrations(), step(false)))
	if err != nil {
		t.Fatal(err)
	}
	if n, v := count(t, s), s.Info().SchemaVersion; n != 2002 || v != 2 {
		t.Errorf("%d records, version %d; want 2002, 2", n, v)
	}
	_ = s.Close()
	copies, _ := filepath.Glob(filepath.Join(dir, "backups", migrationPrefix+"*-schema-1.db"))
	if len(copies) != 2 {
		t.Fatalf("copies: %v", copies)
	}
	b, err := os.ReadFile(copies[1])
	if err != nil || os.WriteFile(path, b, 0o600) != nil {
		t.Fatal(err)
	}
	if n := count(t, openTest(t, Options{Dir: dir})); n != 2001 {
		t.Errorf("%d records in the copy, want 2001", n)
	}
}

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
	for range 150 {
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
