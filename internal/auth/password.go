package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Cost of a password: OWASP's second choice for argon2id, 19 MiB and two passes; about 25 ms on one core. Two at once, so that
// a flood of logins holds 38 MiB and never more.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

const (
	leastPassword = 8
	mostPassword  = 256
	hashWait      = 5 * time.Second
)

// common are passwords that everybody tries first; more than this is the throttle's business.
var common = []string{"password", "passw0rd", "admin123", "adminadmin", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123", "changeme", "letmein1", "password1", "password123", "administrator", "controlcenter"}

// checkNew says what is wrong with a new password.
func checkNew(user, password string) error {
	n := utf8.RuneCountInString(password)
	low := strings.ToLower(password)
	switch {
	case n < leastPassword || len(password) > mostPassword:
		return &InvalidError{"password", fmt.Sprintf("must have %d to %d characters", leastPassword, mostPassword)}
	case low == strings.ToLower(user):
		return &InvalidError{"password", "must not be the name of the user"}
	}
	for _, c := range common {
		if low == c {
			return &InvalidError{"password", "is one of those that everybody tries first"}
		}
	}
	return nil
}

// hash makes the stored form of a password, in the form of the argon2 tools ($argon2id$v=19$m=…).
func (a *Auth) hash(ctx context.Context, password string) (string, error) {
	release, err := a.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	salt := random(argonSalt)
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// nobodysHash is compared with when there is no such user, so that the answer takes as long.
const nobodysHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// verify compares a password with its stored form.
func (a *Auth) verify(ctx context.Context, stored, password string) (bool, error) {
	release, err := a.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	var version, memory, passes uint32
	var lanes uint8
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, nil
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil || version != argon2.Version || memory > 1<<20 || passes == 0 || passes > 100 || lanes == 0 {
		return false, nil //nolint:nilerr // a form that this program did not write fits no password
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) != argonKey {
		return false, nil //nolint:nilerr // the same
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, argonKey)
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// slot waits for one of the places in which passwords are computed.
func (a *Auth) slot(ctx context.Context) (release func(), err error) {
	if !a.waiting.TryAcquire(1) {
		return nil, ErrBusy
	}
	defer a.waiting.Release(1)
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	if err := a.hashing.Acquire(ctx, 1); err != nil {
		return nil, ErrBusy
	}
	return func() { a.hashing.Release(1) }, nil
}
