package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
