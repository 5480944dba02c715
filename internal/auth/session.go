package auth

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"controlcenter/internal/store"
)

const (
	mostSessions = 50              // of one subject; the oldest goes
	sessionNote  = 5 * time.Minute // a use is written down when the last one written is older
	codeLife     = 60 * time.Second
	mostCodes    = 100
)

// sessionRecord is a browser that has logged in.
type sessionRecord struct {
	Subject string    `json:"subject"`
	Version int       `json:"version,omitempty"` // of the user's password
	Created time.Time `json:"created_at"`
	Seen    time.Time `json:"seen_at"`
	From    string    `json:"from,omitempty"`
}

// sessionState is one in memory; rec is guarded by Auth.writing and Auth.mu like the map it is in.
type sessionState struct {
	key  string // hex of the SHA-256 of the cookie's value
	rec  sessionRecord
	seen atomic.Int64
}

func newSessionState(key string, r sessionRecord) *sessionState {
	s := &sessionState{key: key, rec: r}
	s.seen.Store(r.Seen.Unix())
	return s
}

func (s *sessionState) seenAt() time.Time { return time.Unix(s.seen.Load(), 0).UTC() }

func (s *sessionState) over(now time.Time, idle, most time.Duration) bool {
	return now.Sub(s.seenAt()) > idle || now.Sub(s.rec.Created) > most
}

// NewSession begins a session of an identity and returns the cookie's value, and how long it lives at most.
func (a *Auth) NewSession(ctx context.Context, who Identity, from string) (string, time.Duration, error) {
	id := randomWord(32)
	sum := digest(id)
	now := time.Now().UTC().Truncate(time.Second)
	a.writing.Lock()
	defer a.writing.Unlock()
	rec := sessionRecord{Subject: who.Subject, Created: now, Seen: now, From: from}
	a.mu.RLock()
	if u := a.users[who.User]; u != nil {
		rec.Version = u.Version
	}
	_, fits := a.bySubjectLocked(rec.Subject, rec.Version)
	a.mu.RUnlock()
	if !fits {
		return "", 0, ErrWrong // revoked meanwhile
	}
	s := newSessionState(hex.EncodeToString(sum[:]), rec)
	mine := a.sessionsOf(rec.Subject)
	old := mine[:max(len(mine)-mostSessions+1, 0)]
	err := a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, o := range old {
			if err := sessionTable.Delete(tx, o.key); err != nil {
				return err
			}
		}
		return sessionTable.Put(tx, s.key, rec)
	})
	if err != nil {
		return "", 0, fmt.Errorf("store session: %w", err)
	}
	a.mu.Lock()
	for _, o := range old {
		delete(a.live, o.key)
	}
	a.live[s.key] = s
	a.mu.Unlock()
	_, most := a.limits()
	return id, most, nil
}

// sessionsOf lists the sessions of a subject, the oldest first.
func (a *Auth) sessionsOf(subject string) []*sessionState {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []*sessionState
	for _, s := range a.live {
		if s.rec.Subject == subject {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y *sessionState) int { return cmp.Or(x.seenAt().Compare(y.seenAt()), cmp.Compare(x.key, y.key)) })
	return out
}

// CheckSession proves the value of a cookie. The value itself is looked up by its digest, so a comparison tells nothing.
func (a *Auth) CheckSession(id string) (Identity, error) {
	if len(id) > 200 {
		return Identity{}, ErrWrong
	}
	sum, now := digest(id), time.Now()
	idle, most := a.limits()
	a.mu.RLock()
	defer a.mu.RUnlock()
	s := a.live[hex.EncodeToString(sum[:])]
	if s == nil {
		return Identity{}, ErrWrong
	}
	if s.over(now, idle, most) {
		return Identity{}, ErrExpired
	}
	who, fits := a.bySubjectLocked(s.rec.Subject, s.rec.Version)
	if !fits {
		return Identity{}, ErrExpired
	}
	s.seen.Store(now.Unix())
	who.Method, who.Session = MethodSession, s.key
	return who, nil
}

// bySubjectLocked is what a subject may do now; false when it may nothing any more. The caller holds mu for reading.
func (a *Auth) bySubjectLocked(subject string, version int) (Identity, bool) {
	if subject == OwnerSubject {
		return Identity{Subject: OwnerSubject, Name: "owner", Role: Admin}, true
	}
	var id uint64
	if n, _ := fmt.Sscanf(subject, "user:%d", &id); n == 1 {
		u := a.users[id]
		if u == nil || !u.Active || u.Version != version {
			return Identity{}, false
		}
		return u.identity(""), true
	}
	if len(subject) > 4 && subject[:4] == "key:" {
		if k := a.keys[subject[4:]]; k != nil && !k.expired(time.Now()) {
			return k.identity(), true
		}
	}
	return Identity{}, false
}

// EndSession ends one session; one that is gone already is no error.
func (a *Auth) EndSession(ctx context.Context, key string) error {
	a.mu.RLock()
	s := a.live[key]
	a.mu.RUnlock()
	if s == nil {
		return nil
	}
	return a.endSessions(ctx, []*sessionState{s})
}

func (a *Auth) endSessions(ctx context.Context, list []*sessionState) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	err := a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, s := range list {
			if err := sessionTable.Delete(tx, s.key); err != nil {
				return err
			}
		}
		return nil
	})
	// A session that cannot be deleted from the disk now must still end: the user clicked "log out".
	a.mu.Lock()
	for _, s := range list {
		delete(a.live, s.key)
	}
	a.mu.Unlock()
	for _, s := range list {
		a.tellRevoked("session:" + s.key)
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// code is a login that can be taken once.
type code struct {
	subject string
	version int
	expires time.Time
}

// NewCode returns a code with which a browser may begin a session of an identity, once, within a minute. It is in memory only.
func (a *Auth) NewCode(who Identity) (string, time.Time, error) {
	text := randomWord(32)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for k, c := range a.codes {
		if now.After(c.expires) {
			delete(a.codes, k)
		}
	}
	if len(a.codes) >= mostCodes {
		return "", time.Time{}, &ThrottledError{codeLife}
	}
	c := code{subject: who.Subject, expires: now.Add(codeLife)}
	if u := a.users[who.User]; u != nil {
		c.version = u.Version
	}
	if _, fits := a.bySubjectLocked(c.subject, c.version); !fits {
		return "", time.Time{}, errors.New("this identity cannot have a session")
	}
	a.codes[digest(text)] = c
	return text, c.expires, nil
}

// Redeem takes a code. from is as of [Auth.Login].
func (a *Auth) Redeem(text, from string) (Identity, error) {
	if wait := a.Throttled(from); wait > 0 {
		return Identity{}, &ThrottledError{wait}
	}
	sum := digest(text)
	a.mu.Lock()
	c, there := a.codes[sum]
	delete(a.codes, sum)
	who, fits := a.bySubjectLocked(c.subject, c.version)
	a.mu.Unlock()
	switch {
	case !there:
		a.Failed(from, "code")
		return Identity{}, ErrWrong
	case time.Now().After(c.expires), !fits:
		a.Failed(from, "code")
		return Identity{}, ErrExpired
	}
	return who, nil
}
