package auth

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/internal/store"
)

func open(t *testing.T, dir string, set *Settings) (*Auth, *store.Store) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{Store: st, Settings: func() *Settings { return set }, Log: slog.New(slog.DiscardHandler), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return a, st
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	a, st := open(t, dir, &Settings{})
	if a.Some() {
		t.Error("credentials out of nothing")
	}
	key, k, err := a.NewKey(t.Context(), "app", Operator, time.Hour, "test")
	if err != nil || !a.Some() {
		t.Fatal(err)
	}
	ann, err := a.AddUser(t.Context(), NewUser{Name: "Ann", Password: "correct horse", Role: Admin})
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.NewToken(ann)
	if err != nil {
		t.Fatal(err)
	}
	cookie, life, err := a.NewSession(t.Context(), ann.identity(MethodSession), "192.0.2.1")
	if err != nil || life != 7*24*time.Hour {
		t.Fatal(life, err)
	}
	if _, err := a.CheckKey(key); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = a.Run(ctx) // writes down the uses
	_ = st.Close()

	a, st = open(t, dir, &Settings{})
	defer st.Close()
	if who, err := a.CheckBearer(key); err != nil || who.Role != Operator || who.Subject != "key:"+k.ID {
		t.Errorf("key: %+v %v", who, err)
	}
	if keys := a.Keys(); len(keys) != 1 || keys[0].LastUsed.IsZero() {
		t.Errorf("keys %+v", keys)
	}
	if who, err := a.CheckBearer(token); err != nil || who.User != ann.ID {
		t.Errorf("token: %+v %v", who, err)
	}
	if who, err := a.CheckSession(cookie); err != nil || who.Name != "Ann" {
		t.Errorf("session: %+v %v", who, err)
	}
	for _, wrong := range []string{"", "x", cookie + "x", strings.Repeat("x", 500)} {
		if _, err := a.CheckSession(wrong); !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if u, err := a.Login(t.Context(), "ANN", "correct horse", "192.0.2.1"); err != nil || u.LastLogin.IsZero() {
		t.Errorf("login: %+v %v", u, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{key[14:], cookie, "correct horse", token} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the store holds %q", secret)
		}
	}
}

// TestRestoreBringsItsOwnCredentials: what is in memory must not outlive the state it came from.
func TestRestoreBringsItsOwnCredentials(t *testing.T) {
	dir := t.TempDir()
	a, st := open(t, dir, &Settings{})
	defer st.Close()
	before, _, err := a.NewKey(t.Context(), "before", Viewer, 0, "test")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(t.TempDir(), "backup")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := st.Backup(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	after, _, err := a.NewKey(t.Context(), "after", Viewer, 0, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	// A change proves that Run watches before the restore comes.
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		if err := st.Restore(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		poll := time.NewTimer(20 * time.Millisecond)
		<-poll.C
		if _, err := a.CheckKey(after); errors.Is(err, ErrWrong) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a key that the restored state does not have still opens")
		}
	}
	if _, err := a.CheckKey(before); err != nil {
		t.Errorf("a key of the restored state: %v", err)
	}
}

func TestLastAdminStays(t *testing.T) {
	a, st := open(t, t.TempDir(), &Settings{DefaultUser: "root", DefaultPassword: "correct horse"})
	defer st.Close()
	users := a.Users()
	if len(users) != 1 || users[0].Name != "root" || users[0].Role != Admin {
		t.Fatalf("%+v", users)
	}
	id := users[0].ID
	no, viewer := false, Viewer
	if _, err := a.ChangeUser(t.Context(), id, UserChange{Active: &no}); !errors.Is(err, ErrLastAdmin) {
		t.Error(err)
	}
	if _, err := a.ChangeUser(t.Context(), id, UserChange{Role: &viewer}); !errors.Is(err, ErrLastAdmin) {
		t.Error(err)
	}
	if err := a.RemoveUser(t.Context(), id); !errors.Is(err, ErrLastAdmin) {
		t.Error(err)
	}
}

func TestRevokedIsToldAndSessionsEnd(t *testing.T) {
	a, st := open(t, t.TempDir(), &Settings{})
	defer st.Close()
	var mu sync.Mutex
	var told []string
	a.OnRevoked(func(s string) { mu.Lock(); defer mu.Unlock(); told = append(told, s) })
	key, k, err := a.NewKey(t.Context(), "app", Viewer, 0, "test")
	if err != nil {
		t.Fatal(err)
	}
	who, err := a.CheckKey(key)
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := a.NewCode(who)
	if err != nil {
		t.Fatal(err)
	}
	unused, _, err := a.NewCode(who)
	if err != nil {
		t.Fatal(err)
	}
	who, err = a.Redeem(code, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, err := a.NewSession(t.Context(), who, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.RevokeKey(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CheckSession(cookie); !errors.Is(err, ErrWrong) {
		t.Errorf("the session of a revoked key: %v", err)
	}
	if _, err := a.Redeem(unused, "192.0.2.1"); !errors.Is(err, ErrExpired) {
		t.Errorf("the code of a revoked key: %v", err)
	}
	if !slices.Equal(told, []string{"key:" + k.ID}) {
		t.Errorf("told of %v", told)
	}
}

// TestSessionsAndKeysExpire moves their times instead of waiting.
func TestSessionsAndKeysExpire(t *testing.T) {
	a, st := open(t, t.TempDir(), &Settings{SessionIdle: time.Hour, SessionMax: 2 * time.Hour})
	defer st.Close()
	ann, err := a.AddUser(t.Context(), NewUser{Name: "ann", Password: "correct horse", Role: Viewer})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		created, seen time.Duration
		want          error
	}{{0, 0, nil}, {-90 * time.Minute, -30 * time.Minute, nil}, {-90 * time.Minute, -61 * time.Minute, ErrExpired}, {-121 * time.Minute, 0, ErrExpired}} {
		cookie, _, err := a.NewSession(t.Context(), ann.identity(""), "")
		if err != nil {
			t.Fatal(err)
		}
		list := a.sessionsOf(userSubject(ann.ID))
		s := list[len(list)-1]
		s.rec.Created = now.Add(c.created)
		s.seen.Store(now.Add(c.seen).Unix())
		if _, err := a.CheckSession(cookie); !errors.Is(err, c.want) {
			t.Errorf("created %s, seen %s: %v, want %v", c.created, c.seen, err, c.want)
		}
		a.sweep(t.Context(), now)
		if left := len(a.sessionsOf(userSubject(ann.ID))); (left == 0) != (c.want != nil) {
			t.Errorf("created %s, seen %s: %d are left", c.created, c.seen, left)
		}
		_ = a.endSessions(t.Context(), list)
	}
	key, _, err := a.NewKey(t.Context(), "old", Viewer, 1, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.CheckKey(key); !errors.Is(err, ErrExpired) {
		t.Errorf("an old key: %v", err)
	}
}

func FuzzCheckBearer(f *testing.F) {
	st, err := store.Open(f.Context(), store.Options{Dir: f.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer st.Close()
	a, err := Open(f.Context(), Options{Store: st, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("cc_aaaaaaaaaa_bbbb")
	f.Add("cc___")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwidXNlcl9pZCI6MX0.")
	f.Fuzz(func(t *testing.T, s string) {
		if who, err := a.CheckBearer(s); err == nil {
			t.Errorf("%q proves %+v", s, who)
		}
	})
}

func BenchmarkCheckKey(b *testing.B) {
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	a, err := Open(b.Context(), Options{Store: st, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	key, _, err := a.NewKey(b.Context(), "bench", Viewer, 0, "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.CheckBearer(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	a := &Auth{}
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	if a, err = Open(b.Context(), Options{Store: st, Log: slog.New(slog.DiscardHandler)}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, err := a.verify(b.Context(), nobodysHash, "correct horse"); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
