package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenLife is how long a token of the older login lives.
const TokenLife = 24 * time.Hour

// claims are those that clients of the older login read, and the version of the password, so that a token dies with it.
type claims struct {
	UserID  uint64 `json:"user_id"`
	Role    string `json:"role"`
	Type    string `json:"type"`
	Version int    `json:"ver"`
	jwt.RegisteredClaims
}

const tokenType = "access"

// NewToken makes the token of a user.
func (a *Auth) NewToken(u *User) (string, error) {
	return a.sign(claims{UserID: u.ID, Role: u.Role.Old(), Version: u.Version, RegisteredClaims: jwt.RegisteredClaims{Subject: u.Name}})
}

// NewOpenToken makes a token that stands for nobody: clients of the older login want one also where none is needed. It proves
// nothing; see [Auth.CheckBearer].
func (a *Auth) NewOpenToken(name string) (string, error) {
	return a.sign(claims{Role: Admin.Old(), RegisteredClaims: jwt.RegisteredClaims{Subject: name}})
}

func (a *Auth) sign(c claims) (string, error) {
	now := time.Now()
	c.Type = tokenType
	c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(TokenLife))
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(a.signing())
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text, nil
}

func (a *Auth) signing() []byte {
	if s := a.settings().JWTSecret; s != "" {
		return []byte(s)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.secret
}

// CheckBearer proves what came as a bearer token or API key: a key, or a token. A token of [Auth.NewOpenToken] gives an
// Identity without a role. Errors: ErrWrong, ErrExpired.
func (a *Auth) CheckBearer(given string) (Identity, error) {
	if strings.HasPrefix(given, KeyPrefix) {
		return a.checkKey(given, time.Now())
	}
	return a.checkToken(given)
}

// CheckKey proves an API key.
func (a *Auth) CheckKey(given string) (Identity, error) { return a.checkKey(given, time.Now()) }

func (a *Auth) checkToken(given string) (Identity, error) {
	var c claims
	if len(given) > 4096 {
		return Identity{}, ErrWrong
	}
	// One algorithm, whatever the token says of itself.
	_, err := jwt.ParseWithClaims(given, &c, func(*jwt.Token) (any, error) { return a.signing(), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Identity{}, ErrExpired
	case err != nil, c.Type != tokenType:
		return Identity{}, ErrWrong
	}
	if c.UserID == 0 {
		return Identity{Subject: "open", Name: c.Subject, Method: MethodToken}, nil
	}
	a.mu.RLock()
	u := a.users[c.UserID]
	a.mu.RUnlock()
	if u == nil || !u.Active || u.Version != c.Version || u.Name != c.Subject {
		return Identity{}, ErrWrong
	}
	return u.identity(MethodToken), nil
}
