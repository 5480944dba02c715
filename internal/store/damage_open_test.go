package store

import (
	"errors"
	"os"
	"testing"
)

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
