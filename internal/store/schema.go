package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// migration changes the file from one schema version to the next, inside the transaction that also writes the new version
// number: it happens whole or not at all.
type migration func(*Tx) error

// migrations lists the steps in order; migrations[0] makes version 1 out of an empty file. A new step is one line at the end.
// Steps are never changed or removed once released.
func migrations() []migration {
	return []migration{
		createV1,
	}
}

// The meta table is the file's own: what it is and what it counted.
var metaTable = NewTable[json.RawMessage]("_meta")

const (
	keySchema   = "schema_version" // int
	keyInstance = "instance_id"    // 32 hex digits
	keyCreated  = "created_at"     // RFC 3339
	keyStarts   = "starts"         // runs begun, ever
	keyUnclean  = "unclean_stops"  // runs that did not end by themselves, ever
	keyProbe    = "write_probe"    // time of the last test whether the disk can be written
)

func createV1(tx *Tx) error {
	if err := putMeta(tx, keyInstance, newInstanceID()); err != nil {
		return err
	}
	return putMeta(tx, keyCreated, time.Now().UTC())
}

func putMeta(tx *Tx, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return metaTable.Put(tx, key, b)
}

// getMeta reads into v; a missing key leaves v as it is.
func getMeta(tx *Tx, key string, v any) error {
	b, err := metaTable.Get(tx, key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// schemaVersion reads an open file's version; 0 = an empty file.
func schemaVersion(db *bbolt.DB) (version int, err error) {
	err = guard("read schema version", func() error {
		return db.View(func(b *bbolt.Tx) error {
			t := b.Bucket([]byte(metaTable.name))
			if t == nil {
				return nil
			}
			stored := t.Get([]byte(keySchema))
			if stored == nil {
				return fmt.Errorf("%w: no schema version", ErrDamaged)
			}
			payload, err := unseal([]byte(metaTable.name), []byte(keySchema), stored)
			if err != nil {
				return err
			}
			return json.Unmarshal(payload, &version)
		})
	})
	return version, err
}

// migrate brings an open file to the newest schema, one transaction per version. before is called once if there is anything
// to do to a file that holds data.
func (s *Store) migrate(ctx context.Context, db *bbolt.DB, before func(version int) error) error {
	version, err := schemaVersion(db)
	if err != nil {
		return err
	}
	if version > len(s.migrations) {
		return &SchemaError{Path: s.path, File: version, Known: len(s.migrations)}
	}
	if version > 0 && version < len(s.migrations) {
		if err := before(version); err != nil {
			return fmt.Errorf("back up before migration from schema version %d: %w", version, err)
		}
	}
	for ; version < len(s.migrations); version++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := db.Update(func(b *bbolt.Tx) error {
			tx := &Tx{store: s, bolt: b, touched: map[string]struct{}{}}
			if err := s.migrations[version](tx); err != nil {
				return err
			}
			return putMeta(tx, keySchema, version+1)
		})
		if err != nil {
			return fmt.Errorf("migrate %s to schema version %d: %w", s.path, version+1, err)
		}
	}
	return nil
}
