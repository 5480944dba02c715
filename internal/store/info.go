package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Info is the state of the store for people and for /health.
type Info struct {
	Path           string     `json:"path"`
	SizeBytes      int64      `json:"size_bytes"` // of the file; 0 = could not be read
	SchemaVersion  int        `json:"schema_version"`
	InstanceID     string     `json:"instance_id"` // of the data, made when the first file was
	CreatedAt      time.Time  `json:"created_at"`
	LastBackup     *time.Time `json:"last_backup,omitempty"`
	Backups        int        `json:"backups"`
	Quarantined    []string   `json:"quarantined"`               // all damaged files that were put aside, oldest first
	QuarantinedNow string     `json:"quarantined_now,omitempty"` // the one put aside by this process
	RestoredFrom   string     `json:"restored_from,omitempty"`   // what replaced a damaged or missing file
	DamagedRecords int        `json:"damaged_records"`           // met and left out since the start
	Writable       bool       `json:"writable"`
	Degraded       string     `json:"degraded,omitempty"` // why it is not all well; "" = it is
}

// Info returns the state of the store. It reads directory entries only and never waits for a transaction.
func (s *Store) Info() Info {
	quarantined, _ := filepath.Glob(escapeGlob(s.path) + ".corrupt-*")
	slices.Sort(quarantined)
	backups := len(s.backupNames())
	var size int64
	if st, err := os.Stat(s.path); err == nil {
		size = st.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	info := Info{
		Path: s.path, SizeBytes: size, SchemaVersion: st.schema, InstanceID: st.instanceID, CreatedAt: st.created,
		Backups: backups, Quarantined: quarantined, QuarantinedNow: st.quarantined, RestoredFrom: st.restoredFrom,
		DamagedRecords: st.badRecords, Writable: st.writeErr == nil && s.db.Load() != nil,
	}
	if info.Quarantined == nil {
		info.Quarantined = []string{}
	}
	if !st.lastBackup.IsZero() {
		last := st.lastBackup
		info.LastBackup = &last
	}
	switch {
	case st.writeErr != nil:
		info.Degraded = st.writeErr.Error()
	case st.damage != "":
		info.Degraded = st.damage
	case st.badRecords > 0:
		info.Degraded = fmt.Sprintf("%d damaged records are left out", st.badRecords)
	}
	return info
}

func (s *Store) writeError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.writeErr
}

// Ping tells whether the state can be read and written. It reads; it writes only when the last write failed, to find out
// whether that is over. An error is ErrUnavailable or ErrClosed, or ctx's.
func (s *Store) Ping(ctx context.Context) error {
	err := s.View(ctx, func(tx *Tx) error {
		_, err := metaTable.Get(tx, keySchema)
		return err
	})
	if err != nil {
		return err
	}
	if s.writeError() != nil {
		return s.probe(ctx)
	}
	if _, err := os.Stat(s.path); err != nil {
		return unavailable("look for the state file", err)
	}
	return nil
}

// probe writes one small record to find out whether the disk takes it.
func (s *Store) probe(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error { return putMeta(tx, keyProbe, time.Now().UTC()) })
}
