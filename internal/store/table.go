package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"
)

// Table is a named set of records: string keys in byte order, JSON values of type V. It is only a name and a type; declare it
// once, as a package-level value, with a name no other table has. A V may gain fields at any time; to change the meaning of
// one, write a migration.
type Table[V any] struct{ name string }

// NewTable declares a table. Names that begin with "_" belong to this package.
func NewTable[V any](name string) Table[V] { return Table[V]{name: name} }

// Name returns the table's name, as [Store.Watch] takes it.
func (t Table[V]) Name() string { return t.name }

// Row is one record of a listing.
type Row[V any] struct {
	Key   string
	Value V
}

// Get returns the record of a key. Errors: ErrNotFound; ErrDamaged when the stored bytes are not what was written.
func (t Table[V]) Get(tx *Tx, key string) (V, error) {
	var v V
	var stored []byte
	err := tx.guard("read "+t.name, func() error {
		if b := tx.bolt.Bucket([]byte(t.name)); b != nil {
			stored = bytes.Clone(b.Get([]byte(key)))
		}
		return nil
	})
	switch {
	case err != nil:
		return v, err
	case stored == nil:
		return v, fmt.Errorf("%s/%s: %w", t.name, key, ErrNotFound)
	}
	return v, t.decode(key, stored, &v)
}

func (t Table[V]) decode(key string, stored []byte, v *V) error {
	payload, err := unseal([]byte(t.name), []byte(key), stored)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("%w: decode %s/%s: %w", ErrDamaged, t.name, key, err)
	}
	return nil
}

// List returns the records whose key begins with prefix and is greater than after, in key order, at most limit (0 = all). A
// damaged record is left out and counted in Info; it never hides the others.
func (t Table[V]) List(tx *Tx, prefix, after string, limit int) ([]Row[V], error) {
	return t.collect(tx, prefix, limit, func(c *bbolt.Cursor) ([]byte, []byte) {
		if after < prefix {
			return c.Seek([]byte(prefix))
		}
		k, v := c.Seek([]byte(after))
		if k != nil && string(k) == after {
			return c.Next()
		}
		return k, v
	}, (*bbolt.Cursor).Next)
}

// Last is List backwards: the records whose key begins with prefix and is smaller than before ("" = from the end), greatest
// key first, at most limit (0 = all).
func (t Table[V]) Last(tx *Tx, prefix, before string, limit int) ([]Row[V], error) {
	return t.collect(tx, prefix, limit, func(c *bbolt.Cursor) ([]byte, []byte) {
		end := successor(prefix)
		if before != "" && (end == nil || before < string(end)) {
			end = []byte(before)
		}
		if end == nil {
			return c.Last()
		}
		if k, _ := c.Seek(end); k == nil {
			return c.Last()
		}
		return c.Prev()
	}, (*bbolt.Cursor).Prev)
}

// collect returns what a cursor runs over, from first on, while keys have the prefix.
func (t Table[V]) collect(tx *Tx, prefix string, limit int, first, next func(*bbolt.Cursor) ([]byte, []byte)) ([]Row[V], error) {
	rows := []Row[V]{}
	var k, stored []byte
	var c *bbolt.Cursor
	step := func() error {
		if c == nil {
			b := tx.bolt.Bucket([]byte(t.name))
			if b == nil {
				return nil
			}
			c = b.Cursor()
			k, stored = first(c)
		} else {
			k, stored = next(c)
		}
		// Copied here, under guard: the page may lie on a part of the disk that cannot be read.
		k, stored = bytes.Clone(k), bytes.Clone(stored)
		return nil
	}
	for limit <= 0 || len(rows) < limit {
		if err := tx.guard("list "+t.name, step); err != nil {
			return nil, err
		}
		if k == nil || !bytes.HasPrefix(k, []byte(prefix)) {
			break
		}
		row := Row[V]{Key: string(k)}
		if err := t.decode(row.Key, stored, &row.Value); err != nil {
			tx.store.badRecord(t.name, row.Key, err)
			continue
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// successor returns the least key greater than all that begin with prefix, nil when there is none.
func successor(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// Put writes a record, new or not. Errors: ErrInvalid for an empty or oversized key or value and for a V that JSON cannot
// write.
func (t Table[V]) Put(tx *Tx, key string, v V) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: key of %s must have 1 to %d bytes, has %d", ErrInvalid, t.name, maxKey, len(key))
	}
	stored, err := seal([]byte(t.name), []byte(key), v)
	if err != nil {
		return err
	}
	return t.change(tx, func(b *bbolt.Bucket) error { return b.Put([]byte(key), stored) })
}

// Delete removes a record; one that does not exist is no error.
func (t Table[V]) Delete(tx *Tx, key string) error {
	return t.change(tx, func(b *bbolt.Bucket) error { return b.Delete([]byte(key)) })
}

// NextID returns 1, 2, 3 ... per table, never the same number twice, also after deletes.
func (t Table[V]) NextID(tx *Tx) (id uint64, err error) {
	err = t.change(tx, func(b *bbolt.Bucket) (err error) {
		id, err = b.NextSequence()
		return err
	})
	return id, err
}

func (t Table[V]) change(tx *Tx, fn func(*bbolt.Bucket) error) error {
	if !tx.Writable() {
		return fmt.Errorf("%w: %s changed in a view", ErrInvalid, t.name)
	}
	tx.touched[t.name] = struct{}{}
	return tx.guard("write "+t.name, func() error {
		b, err := tx.bolt.CreateBucketIfNotExists([]byte(t.name))
		if err != nil {
			return err
		}
		return fn(b)
	})
}
