package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"controlcenter/internal/store"
)

// KeyPrefix begins every API key, so that scanners of source code find one that was checked in.
const KeyPrefix = "cc_"

const (
	mostKeys = 1000
	mostName = 100
)

// keyRecord is a key as it is stored.
type keyRecord struct {
	Key
	Hash []byte `json:"hash"` // SHA-256 of the whole key: 256 random bits need no slow hash
}

// Key is what is known of an API key.
type Key struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Created  time.Time `json:"created_at"`
	By       string    `json:"created_by"`
	Expires  time.Time `json:"expires_at,omitzero"` // zero = never
	LastUsed time.Time `json:"last_used,omitzero"`  // at most half a minute old
}

type keyState struct {
	rec  keyRecord
	used atomic.Int64 // unix seconds
	told atomic.Bool  // that it has expired
}

func newKeyState(r keyRecord) *keyState {
	k := &keyState{rec: r}
	if !r.LastUsed.IsZero() {
		k.used.Store(r.LastUsed.Unix())
	}
	return k
}

func (k *keyState) expired(now time.Time) bool {
	return !k.rec.Expires.IsZero() && !now.Before(k.rec.Expires)
}

func (k *keyState) public() Key {
	out := k.rec.Key
	if at := k.used.Load(); at != 0 {
		out.LastUsed = time.Unix(at, 0).UTC()
	}
	return out
}

func keySubject(id string) string { return "key:" + id }

// checkKey proves a key. The comparison takes the same time whatever is wrong with it.
func (a *Auth) checkKey(given string, now time.Time) (Identity, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(given, KeyPrefix), "_")
	sum := digest(given)
	a.mu.RLock()
	k := a.keys[id]
	a.mu.RUnlock()
	hash := make([]byte, len(sum)) // nothing has this digest
	if k != nil {
		hash = k.rec.Hash
	}
	if subtle.ConstantTimeCompare(sum[:], hash) != 1 || k == nil {
		return Identity{}, ErrWrong
	}
	if k.expired(now) {
		return Identity{}, ErrExpired
	}
	k.used.Store(now.Unix())
	return k.identity(), nil
}

func (k *keyState) identity() Identity {
	return Identity{Subject: keySubject(k.rec.ID), Name: k.rec.Name, Role: k.rec.Role, Method: MethodKey}
}

// NewKey makes a key and returns it; nothing shows it again. lifetime 0 = it never expires.
func (a *Auth) NewKey(ctx context.Context, name string, role Role, lifetime time.Duration, by string) (string, Key, error) {
	name = strings.TrimSpace(name)
	switch {
	case !printable(name, mostName):
		return "", Key{}, &InvalidError{"name", fmt.Sprintf("must have 1 to %d printable characters", mostName)}
	case role < Viewer || role > Admin:
		return "", Key{}, &InvalidError{"role", "must be viewer, operator or admin"}
	case lifetime < 0:
		return "", Key{}, &InvalidError{"expires_in", "must not be negative"}
	}
	id := randomWord(10)
	secret := KeyPrefix + id + "_" + randomWord(32)
	sum := digest(secret)
	rec := keyRecord{Key{ID: id, Name: name, Role: role, Created: time.Now().UTC().Truncate(time.Second), By: by}, sum[:]}
	if lifetime > 0 {
		rec.Expires = rec.Created.Add(lifetime)
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.RLock()
	n := len(a.keys)
	a.mu.RUnlock()
	if n >= mostKeys {
		return "", Key{}, &InvalidError{"name", fmt.Sprintf("there are %d keys already, the most there can be: revoke some", n)}
	}
	if err := a.o.Store.Update(ctx, func(tx *store.Tx) error { return keyTable.Put(tx, id, rec) }); err != nil {
		return "", Key{}, fmt.Errorf("store key: %w", err)
	}
	k := newKeyState(rec)
	a.mu.Lock()
	a.keys[id] = k
	a.mu.Unlock()
	return secret, k.public(), nil
}

// Keys lists all keys, the newest first.
func (a *Auth) Keys() []Key {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]Key, 0, len(a.keys))
	for _, k := range a.keys {
		out = append(out, k.public())
	}
	slices.SortFunc(out, func(x, y Key) int { return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID)) })
	return out
}

// RevokeKey ends a key at once, and the sessions that were begun with it. ref is its id, or a name that only one key has.
func (a *Auth) RevokeKey(ctx context.Context, ref string) (Key, error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	k, err := a.findKey(ref)
	if err != nil {
		return Key{}, err
	}
	subject := keySubject(k.rec.ID)
	mine := a.sessionsOf(subject)
	err = a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, s := range mine {
			if err := sessionTable.Delete(tx, s.key); err != nil {
				return err
			}
		}
		return keyTable.Delete(tx, k.rec.ID)
	})
	if err != nil {
		return Key{}, fmt.Errorf("revoke key: %w", err)
	}
	a.mu.Lock()
	delete(a.keys, k.rec.ID)
	for _, s := range mine {
		delete(a.live, s.key)
	}
	a.mu.Unlock()
	a.tellRevoked(subject)
	return k.public(), nil
}

func (a *Auth) findKey(ref string) (*keyState, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if k := a.keys[ref]; k != nil {
		return k, nil
	}
	var found *keyState
	for _, k := range a.keys {
		if k.rec.Name == ref {
			if found != nil {
				return nil, &InvalidError{"id", fmt.Sprintf("several keys are called %q: name one by its id", ref)}
			}
			found = k
		}
	}
	if found == nil {
		return nil, fmt.Errorf("key %q: %w", ref, ErrNotFound)
	}
	return found, nil
}

// noteUses writes down when keys and sessions were last used: one transaction for all of them, and none when nothing was.
func (a *Auth) noteUses(ctx context.Context) {
	a.writing.Lock()
	defer a.writing.Unlock()
	var keys []keyRecord
	var sessions []sessionRecord
	var states []*sessionState
	a.mu.RLock()
	for _, k := range a.keys {
		if now := k.public(); !now.LastUsed.Equal(k.rec.LastUsed) {
			rec := k.rec
			rec.LastUsed = now.LastUsed
			keys = append(keys, rec)
		}
	}
	for _, s := range a.live {
		if seen := s.seenAt(); seen.Sub(s.rec.Seen) >= sessionNote {
			rec := s.rec
			rec.Seen = seen
			sessions, states = append(sessions, rec), append(states, s)
		}
	}
	a.mu.RUnlock()
	if len(keys)+len(sessions) == 0 {
		return
	}
	err := a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, rec := range keys {
			if err := keyTable.Put(tx, rec.ID, rec); err != nil {
				return err
			}
		}
		for i, rec := range sessions {
			if err := sessionTable.Put(tx, states[i].key, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.o.Log.Debug("note uses of keys", "err", err) // the next round tries again
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rec := range keys {
		if k := a.keys[rec.ID]; k != nil {
			next := newKeyState(rec)
			next.used.Store(max(k.used.Load(), next.used.Load()))
			next.told.Store(k.told.Load())
			a.keys[rec.ID] = next
		}
	}
	for i, rec := range sessions {
		states[i].rec = rec
	}
}

// printable says that a name can be shown as it is anywhere.
func printable(s string, most int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
