package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"controlcenter/internal/store"
)

// Settings may change while the server runs.
type Settings struct {
	JWTSecret       string        // signs tokens; "" = one that was generated and stored
	DefaultUser     string        // name of the user that is made at first need; "" = admin
	DefaultPassword string        // its password; "" = generated
	SessionIdle     time.Duration // a session ends after so long without a request; 0 = 12 hours
	SessionMax      time.Duration // and after so long in any case; 0 = 7 days
}

// Options are what [Open] needs.
type Options struct {
	Store    *store.Store     // required
	Settings func() *Settings // in force now, cheap; nil = zero Settings
	Log      *slog.Logger     // required
	Dir      string           // where a generated first password is put; "" = no password is generated
}

// Auth holds all identities.
type Auth struct {
	o        Options
	settings func() *Settings
	metrics  metrics
	attempts throttle
	hashing  *semaphore.Weighted // passwords at once
	waiting  *semaphore.Weighted // and those that wait for it

	writing sync.Mutex // held over a change of records, so that memory follows the disk in order
	mu      sync.RWMutex
	keys    map[string]*keyState     // by id
	users   map[uint64]*User         // values are replaced, never changed
	names   map[string]uint64        // lower case
	live    map[string]*sessionState // by record key
	codes   map[[32]byte]code
	secret  []byte // generated, for tokens
	revoked func(subject string)
}

var (
	keyTable     = store.NewTable[keyRecord]("auth_keys")
	userTable    = store.NewTable[User]("auth_users")
	sessionTable = store.NewTable[sessionRecord]("auth_sessions")
	secretTable  = store.NewTable[string]("auth_secrets")
)

// Open reads all records. With a default password in the settings and no user in the store, it makes that user.
func Open(ctx context.Context, o Options) (*Auth, error) {
	if o.Settings == nil {
		o.Settings = func() *Settings { return &Settings{} }
	}
	a := &Auth{
		o: o, settings: o.Settings, codes: map[[32]byte]code{}, revoked: func(string) {},
		hashing: semaphore.NewWeighted(2), waiting: semaphore.NewWeighted(16),
	}
	a.metrics.init()
	if err := a.load(ctx); err != nil {
		return nil, fmt.Errorf("read keys and users: %w", err)
	}
	if a.settings().DefaultPassword != "" {
		if err := a.firstUser(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

const tokenSecret = "jwt"

// load puts what the store holds into memory, and makes the secret of tokens when there is none.
func (a *Auth) load(ctx context.Context) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	keys, users, names, live := map[string]*keyState{}, map[uint64]*User{}, map[string]uint64{}, map[string]*sessionState{}
	var secret []byte
	read := func(tx *store.Tx) error {
		rows, err := keyTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			keys[r.Key] = newKeyState(r.Value)
		}
		people, err := userTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		for _, r := range people {
			u := r.Value
			users[u.ID], names[strings.ToLower(u.Name)] = &u, u.ID
		}
		sessions, err := sessionTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		for _, r := range sessions {
			live[r.Key] = newSessionState(r.Key, r.Value)
		}
		text, err := secretTable.Get(tx, tokenSecret)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		secret, err = hex.DecodeString(text)
		return err
	}
	if err := a.o.Store.View(ctx, read); err != nil {
		return err
	}
	if len(secret) != 32 {
		secret = random(32)
		err := a.o.Store.Update(ctx, func(tx *store.Tx) error { return secretTable.Put(tx, tokenSecret, hex.EncodeToString(secret)) })
		if err != nil && !errors.Is(err, store.ErrUnavailable) { // tokens then live as long as this process
			return err
		}
	}
	a.mu.Lock()
	a.keys, a.users, a.names, a.live, a.secret = keys, users, names, live, secret
	a.mu.Unlock()
	return nil
}

// OnRevoked says whom to tell that a subject's rights ended: its key was revoked, its user may not log in any more. It is
// called without locks and must not block.
func (a *Auth) OnRevoked(fn func(subject string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked = fn
}

func (a *Auth) tellRevoked(subjects ...string) {
	a.mu.RLock()
	fn := a.revoked
	a.mu.RUnlock()
	for _, s := range subjects {
		fn(s)
	}
}

// Some says whether anybody could prove who they are: a key or an active user exists.
func (a *Auth) Some() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	now := time.Now()
	for _, k := range a.keys {
		if !k.expired(now) {
			return true
		}
	}
	for _, u := range a.users {
		if u.Active {
			return true
		}
	}
	return false
}

// sweepEvery is how often uses are written down and expiry is looked at.
const sweepEvery = 30 * time.Second

// Run notes uses, ends what has expired and follows a restore of the store, until ctx ends.
func (a *Auth) Run(ctx context.Context) error {
	watch := a.o.Store.Watch(store.AllTables) // only a restore changes them all
	defer watch.Close()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.noteUses(context.WithoutCancel(ctx))
			return context.Cause(ctx)
		case <-tick.C:
			a.sweep(ctx, time.Now())
			a.noteUses(ctx)
			a.attempts.forget(time.Now())
		case <-watch.C:
			watch.Changed()
			before := a.subjects()
			if err := a.load(ctx); err != nil {
				a.o.Log.Error("read keys and users after a restore", "err", err)
				continue
			}
			now := a.subjects()
			for s := range before {
				if _, still := now[s]; !still {
					a.tellRevoked(s)
				}
			}
		}
	}
}

// sweep ends the sessions that have expired, and tells of keys that have.
func (a *Auth) sweep(ctx context.Context, now time.Time) {
	var gone []string
	var old []*sessionState
	idle, most := a.limits()
	a.mu.RLock()
	for _, k := range a.keys {
		if k.expired(now) && !k.told.Swap(true) {
			gone = append(gone, keySubject(k.rec.ID))
		}
	}
	for _, s := range a.live {
		if s.over(now, idle, most) {
			old = append(old, s)
		}
	}
	a.mu.RUnlock()
	if len(old) > 0 {
		if err := a.endSessions(ctx, old); err != nil {
			a.o.Log.Error("forget expired sessions", "err", err)
		}
	}
	a.tellRevoked(gone...)
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, c := range a.codes {
		if now.After(c.expires) {
			delete(a.codes, k)
		}
	}
}

// subjects lists everybody who has rights.
func (a *Auth) subjects() map[string]struct{} {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := map[string]struct{}{}
	for id := range a.keys {
		out[keySubject(id)] = struct{}{}
	}
	for id, u := range a.users {
		if u.Active {
			out[userSubject(id)] = struct{}{}
		}
	}
	for key := range a.live {
		out["session:"+key] = struct{}{}
	}
	return out
}

func (a *Auth) limits() (idle, most time.Duration) {
	st := a.settings()
	idle, most = st.SessionIdle, st.SessionMax
	if idle <= 0 {
		idle = 12 * time.Hour
	}
	if most <= 0 {
		most = 7 * 24 * time.Hour
	}
	return idle, most
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// words are letters and digits that survive every shell, URL and double click.
var words = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func randomWord(n int) string { return words.EncodeToString(random(n)) }

func digest(s string) [32]byte { return sha256.Sum256([]byte(s)) }
