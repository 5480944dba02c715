// Package store keeps what must survive the daemon: run history, services, audit, jobs, keys, pending notifications. It owns
// the data directory's state.db (one bbolt file) and is the only package that knows bbolt; everybody else sees string keys and
// JSON values in typed tables, a surface small enough that etcd could stand behind it.
//
// [Store.Update] is one durable transaction: when it returns nil, the change is on disk. Updates run one after another, views
// any number at once and never wait for an update. All of it may be called from any goroutine; a transaction must not be begun
// inside another one. [Store.Run] is the only goroutine (backups, and noticing that a full disk has room again); without it
// everything else works.
//
// Opening never fails because of the file's content. The file's structure is checked by reading it as bytes, not through the
// memory map, so no damage can crash the process (see verify.go); a damaged file is put aside as state.db.corrupt-TIME and
// replaced by, in this order: its own records if only its bookkeeping was damaged, its last but one transaction, the newest
// good backup, an empty file. What refuses to open is another process that holds the directory ([LockedError]), a file written
// by a newer version ([SchemaError]), and a directory that cannot be written.
//
// When the disk is full or broken, updates return an error that is [ErrUnavailable]; views go on, and the first update that
// succeeds ends the state by itself.
package store
