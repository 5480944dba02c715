//go:build !linux

package api

import "net"

// trustedPeer trusts the permissions of the socket's file (0600): these platforms tell no peer, or each in its own way.
func trustedPeer(*net.UnixConn) bool { return true }
