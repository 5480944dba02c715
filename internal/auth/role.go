package auth

import (
	"fmt"
	"strings"
)

// Role is what an identity may do; each contains the ones before it.
type Role uint8

// The roles.
const (
	None     Role = iota
	Viewer        // reads, masked
	Operator      // starts, stops, runs, scans
	Admin         // defines services, and so what is executed; keys, users, configuration
)

var roleNames = [...]string{"none", "viewer", "operator", "admin"}

// oldNames are what clients of the older login call them.
var oldNames = [...]string{"", "readonly", "user", "admin"}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "none"
}

// Old is the role as the older login names it: readonly, user, admin.
func (r Role) Old() string {
	if int(r) < len(oldNames) {
		return oldNames[r]
	}
	return ""
}

// ParseRole reads viewer, operator or admin, and the older names readonly and user.
func ParseRole(s string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if s = strings.ToLower(s); s == roleNames[r] || s == oldNames[r] {
			return r, nil
		}
	}
	return None, fmt.Errorf("role %q: must be viewer, operator or admin", s)
}

// MarshalText and UnmarshalText keep a role by name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Role) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRole(string(b))
	return err
}

// Ways in which an identity was proved.
const (
	MethodOwner       = "owner"       // the server's own user, from this machine
	MethodOpen        = "open"        // anybody on this machine, by auth.mode
	MethodKey         = "key"         // an API key
	MethodSession     = "session"     // the cookie of a browser
	MethodToken       = "token"       // a JWT
	MethodBasic       = "basic"       // user and password that the listener checked
	MethodCertificate = "certificate" // that the listener verified
)

// Identity is somebody who has proved who they are.
type Identity struct {
	Subject string // stable and unique: "owner", "user:3", "key:k2x7…"; limits and sessions go by it
	Name    string // for people: a user's or key's name
	Role    Role
	Method  string // one of the Method constants
	User    uint64 // number of the user; 0 = none
	Session string // of MethodSession: id of the record, to end it
}

// OwnerSubject is the identity of the server's own user.
const OwnerSubject = "owner"
