package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/lazy"
	"controlcenter/internal/store"
)

const mostUsers = 1000

// User is a person with a password. Values that Auth returns are never changed.
type User struct {
	ID        uint64    `json:"id"`
	Name      string    `json:"username"`
	Email     string    `json:"email,omitempty"`
	FullName  string    `json:"full_name,omitempty"`
	Role      Role      `json:"role"`
	Active    bool      `json:"is_active"`
	Created   time.Time `json:"created_at"`
	LastLogin time.Time `json:"last_login,omitzero"`
	Hash      string    `json:"hash"`    // of the password
	Version   int       `json:"version"` // of the password; what was proved with an older one is worth nothing
}

func userSubject(id uint64) string { return fmt.Sprintf("user:%d", id) }

func userKey(id uint64) string { return fmt.Sprintf("%016x", id) }

func (u *User) identity(method string) Identity {
	return Identity{Subject: userSubject(u.ID), Name: u.Name, Role: u.Role, Method: method, User: u.ID}
}

var userName = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._@-]{2,99}$`)

// NewUser is what a user is made from.
type NewUser struct {
	Name, Password, Email, FullName string
	Role                            Role
}

// AddUser makes a user. Errors: [InvalidError], ErrTaken, ErrBusy, those of the store.
func (a *Auth) AddUser(ctx context.Context, n NewUser) (*User, error) {
	if !userName().MatchString(n.Name) {
		return nil, &InvalidError{"username", "must have 3 to 100 letters, digits, ., _, @ or -, the first a letter or digit"}
	}
	if n.Role < Viewer || n.Role > Admin {
		return nil, &InvalidError{"role", "must be admin, user or readonly (or admin, operator, viewer)"}
	}
	if err := checkNew(n.Name, n.Password); err != nil {
		return nil, err
	}
	if err := checkPerson(n.Email, n.FullName); err != nil {
		return nil, err
	}
	hash, err := a.hash(ctx, n.Password)
	if err != nil {
		return nil, err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.RLock()
	_, taken := a.names[strings.ToLower(n.Name)]
	many := len(a.users) >= mostUsers
	a.mu.RUnlock()
	switch {
	case taken:
		return nil, fmt.Errorf("user %q: %w", n.Name, ErrTaken)
	case many:
		return nil, &InvalidError{"username", fmt.Sprintf("there are %d users already, the most there can be", mostUsers)}
	}
	u := &User{Name: n.Name, Email: n.Email, FullName: n.FullName, Role: n.Role, Active: true, Created: time.Now().UTC(), Hash: hash, Version: 1}
	err = a.o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if u.ID, err = userTable.NextID(tx); err != nil {
			return err
		}
		return userTable.Put(tx, userKey(u.ID), *u)
	})
	if err != nil {
		return nil, fmt.Errorf("store user: %w", err)
	}
	a.mu.Lock()
	a.users[u.ID], a.names[strings.ToLower(u.Name)] = u, u.ID
	a.mu.Unlock()
	return u, nil
}

func checkPerson(email, fullName string) error {
	if email != "" {
		if m, err := mail.ParseAddress(email); err != nil || m.Address != email || len(email) > 254 {
			return &InvalidError{"email", "must be an address such as ann@example.org"}
		}
	}
	if fullName != "" && !printable(fullName, mostName) {
		return &InvalidError{"full_name", fmt.Sprintf("must have at most %d printable characters", mostName)}
	}
	return nil
}

// Users lists all users by number.
func (a *Auth) Users() []*User {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]*User, 0, len(a.users))
	for _, u := range a.users {
		out = append(out, u)
	}
	slices.SortFunc(out, func(x, y *User) int { return cmp.Compare(x.ID, y.ID) })
	return out
}

// User returns one user, or ErrNotFound.
func (a *Auth) User(id uint64) (*User, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if u := a.users[id]; u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("user %d: %w", id, ErrNotFound)
}

// UserNamed finds a user by name, in any letter case.
func (a *Auth) UserNamed(name string) (*User, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if u := a.users[a.names[strings.ToLower(name)]]; u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("user %q: %w", name, ErrNotFound)
}

// UserChange is what may be changed of a user; nil leaves it.
type UserChange struct {
	Email, FullName *string
	Role            *Role
	Active          *bool
	Password        *string
}

// ErrLastAdmin refuses to take away the last user who can administer.
var ErrLastAdmin = errors.New("this is the last active user with the role admin")

// ChangeUser changes a user. A new password, and deactivation, end the sessions and tokens of the user at once; a new role is in
// force with the next request.
func (a *Auth) ChangeUser(ctx context.Context, id uint64, c UserChange) (*User, error) {
	old, err := a.User(id)
	if err != nil {
		return nil, err
	}
	var hash string
	if c.Password != nil {
		if err := checkNew(old.Name, *c.Password); err != nil {
			return nil, err
		}
		if hash, err = a.hash(ctx, *c.Password); err != nil {
			return nil, err
		}
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if old, err = a.User(id); err != nil { // it may have changed meanwhile
		return nil, err
	}
	u := *old
	if c.Email != nil {
		u.Email = *c.Email
	}
	if c.FullName != nil {
		u.FullName = *c.FullName
	}
	if err := checkPerson(u.Email, u.FullName); err != nil {
		return nil, err
	}
	if c.Role != nil {
		if *c.Role < Viewer || *c.Role > Admin {
			return nil, &InvalidError{"role", "must be admin, user or readonly (or admin, operator, viewer)"}
		}
		u.Role = *c.Role
	}
	if c.Active != nil {
		u.Active = *c.Active
	}
	if hash != "" {
		u.Hash, u.Version = hash, u.Version+1
	}
	if old.Role == Admin && old.Active && (u.Role != Admin || !u.Active) && a.lastAdmin(id) {
		return nil, ErrLastAdmin
	}
	ends := u.Version != old.Version || old.Active && !u.Active
	if err := a.putUser(ctx, &u, ends); err != nil {
		return nil, err
	}
	if hash != "" {
		a.attempts.clear("user " + strings.ToLower(u.Name))
		a.forgetFirst(u.Name)
	}
	return &u, nil
}

// lastAdmin says that no other active user is admin.
func (a *Auth) lastAdmin(id uint64) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, u := range a.users {
		if u.ID != id && u.Active && u.Role == Admin {
			return false
		}
	}
	return true
}

// putUser stores a changed user; ends = its sessions end with it. The caller holds writing.
func (a *Auth) putUser(ctx context.Context, u *User, ends bool) error {
	var mine []*sessionState
	if ends {
		mine = a.sessionsOf(userSubject(u.ID))
	}
	err := a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, s := range mine {
			if err := sessionTable.Delete(tx, s.key); err != nil {
				return err
			}
		}
		return userTable.Put(tx, userKey(u.ID), *u)
	})
	if err != nil {
		return fmt.Errorf("store user: %w", err)
	}
	a.mu.Lock()
	a.users[u.ID] = u
	for _, s := range mine {
		delete(a.live, s.key)
	}
	a.mu.Unlock()
	if ends {
		a.tellRevoked(userSubject(u.ID))
	}
	return nil
}

// RemoveUser deletes a user with its sessions.
func (a *Auth) RemoveUser(ctx context.Context, id uint64) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	u, err := a.User(id)
	if err != nil {
		return err
	}
	if u.Role == Admin && u.Active && a.lastAdmin(id) {
		return ErrLastAdmin
	}
	mine := a.sessionsOf(userSubject(id))
	err = a.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, s := range mine {
			if err := sessionTable.Delete(tx, s.key); err != nil {
				return err
			}
		}
		return userTable.Delete(tx, userKey(id))
	})
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	a.mu.Lock()
	delete(a.users, id)
	delete(a.names, strings.ToLower(u.Name))
	for _, s := range mine {
		delete(a.live, s.key)
	}
	a.mu.Unlock()
	a.tellRevoked(userSubject(id))
	return nil
}

// Login proves a user by password. from is the address of the attempt, "" for one that need not be throttled (the owner's).
// Errors: ErrWrong, ErrInactive (the password was right), [ThrottledError], ErrBusy, those of the store.
//
// An address that has logged a user in before has a budget of its own for that user, so that others, who use up the user's
// budget by guessing, do not lock the user out.
func (a *Auth) Login(ctx context.Context, name, password, from string) (*User, error) {
	if err := a.firstUser(ctx); err != nil {
		return nil, err
	}
	now, low := time.Now(), strings.ToLower(name)
	aim := "user " + low
	u, _ := a.UserNamed(name) // nil = compare with nobody's hash
	if u != nil && from != "" && a.attempts.known(u.ID, from) {
		aim = "user " + low + " from " + from
	}
	if from != "" {
		if wait := max(a.attempts.wait("from "+from, now), a.attempts.wait(aim, now)); wait > 0 {
			a.metrics.failures.WithLabelValues("throttled").Inc()
			return nil, &ThrottledError{wait}
		}
	}
	hash := nobodysHash
	if u != nil {
		hash = u.Hash
	}
	right, err := a.verify(ctx, hash, password)
	if err != nil {
		return nil, err
	}
	if !right || u == nil {
		a.Failed(from, "password")
		if from != "" {
			a.attempts.failed(aim, perUser, userEvery, now)
		}
		return nil, ErrWrong
	}
	if !u.Active {
		return nil, ErrInactive
	}
	a.attempts.remember(u.ID, from)
	return a.loggedIn(ctx, u)
}

// loggedIn notes the time of a login. A disk that takes nothing does not lock anybody out.
func (a *Auth) loggedIn(ctx context.Context, u *User) (*User, error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	cur, err := a.User(u.ID)
	if err != nil || cur.Version != u.Version || !cur.Active { // it was changed while the password was checked
		return nil, ErrWrong
	}
	next := *cur
	next.LastLogin = time.Now().UTC()
	if err := a.putUser(ctx, &next, false); err != nil {
		if !errors.Is(err, store.ErrUnavailable) {
			return nil, err
		}
		a.o.Log.Warn("note login", "user", u.Name, "err", err)
		return cur, nil
	}
	a.forgetFirst(u.Name)
	return &next, nil
}

// Confirm checks the present password of a user who is logged in.
func (a *Auth) Confirm(ctx context.Context, id uint64, password, from string) error {
	u, err := a.User(id)
	if err != nil {
		return err
	}
	aim := "confirm " + userSubject(id)
	if wait := a.attempts.wait(aim, time.Now()); wait > 0 {
		return &ThrottledError{wait}
	}
	right, err := a.verify(ctx, u.Hash, password)
	if err != nil {
		return err
	}
	if !right {
		a.attempts.failed(aim, perUser, userEvery, time.Now())
		a.Failed(from, "password")
		return ErrWrong
	}
	return nil
}

const firstFile = "initial-password"

// firstUser makes a user when there is none at all: by the settings, or admin with a generated password, which is put into a
// file that only the server's user can read and that goes with the first login.
func (a *Auth) firstUser(ctx context.Context) error {
	a.mu.RLock()
	n := len(a.users)
	a.mu.RUnlock()
	st := a.settings()
	if n > 0 || st.DefaultPassword == "" && a.o.Dir == "" {
		return nil
	}
	name, password := cmp.Or(st.DefaultUser, "admin"), cmp.Or(st.DefaultPassword, randomWord(15))
	_, err := a.AddUser(ctx, NewUser{Name: name, Password: password, Role: Admin})
	switch {
	case errors.Is(err, ErrTaken), errors.Is(err, ErrBusy): // another request is doing it
		return nil
	case err != nil:
		return fmt.Errorf("make the first user: %w", err)
	case st.DefaultPassword != "":
		a.o.Log.Info("the first user was made with the password of the settings", "user", name)
		return nil
	}
	path := filepath.Join(a.o.Dir, firstFile)
	if err := writeNew(path, name+" "+password+"\n"); err != nil {
		a.o.Log.Error("write the first password; set another with \"controlcenter user passwd\"", "user", name, "err", err)
		return nil
	}
	a.o.Log.Warn("somebody wants to log in and there was no user, so one was made; its password is in this file until its first login", "user", name, "file", path)
	return nil
}

// writeNew writes a file that must not be there yet, so that nobody can lay a link in its place.
func writeNew(path, text string) error {
	_ = os.Remove(path) // of an earlier store
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// forgetFirst removes the file of the first password once it has served.
func (a *Auth) forgetFirst(name string) {
	if a.o.Dir == "" {
		return
	}
	path := filepath.Join(a.o.Dir, firstFile)
	text, err := os.ReadFile(path)
	if err == nil && strings.HasPrefix(string(text), name+" ") {
		_ = os.Remove(path) // a leftover opens nothing after a change of the password
	}
}
