// Package auth knows who may call: API keys, users with passwords, browser sessions, one-time login codes and the tokens of the
// older login. It proves identities and says which role they have; what a role may do, and what a request looks like, is the
// business of package api, its only caller beside the daemon that builds it.
//
// [Auth] is the door. Its records are in the store, and all of them in memory too, so that proving a key or a session reads no
// disk. A change is on disk before it counts, and counts for the next request: whatever a revoked identity has open is named to
// the function given to [Auth.OnRevoked]. Secrets are stored as SHA-256 of 256 random bits, passwords as argon2id; neither can
// be read back.
//
// Methods may be called from any goroutine. Those that take a password block for some tens of milliseconds and run two at a
// time; [Auth.Run] owns the only goroutine (when keys and sessions were last used, and expiry) and returns when ctx ends.
package auth
