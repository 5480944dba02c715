package api

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// trustedPeer asks the kernel who opened the other end of a unix socket (LOCAL_PEERCRED): our own user or root.
func trustedPeer(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	trusted := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		trusted = err == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
	})
	return err == nil && trusted
}

// owners reads the kernel's list of TCP connections. It is safe for concurrent use.
type owners struct{}

// same says whether the socket at theirs that is connected to ours, which is c, belongs to a process of exactly our user. It
// reads the whole list, whose size goes with the number of connections. It is false, without an error, for a peer that has gone.
func (*owners) same(c *net.TCPConn, ours, theirs netip.AddrPort) (bool, error) {
	b, err := unix.SysctlRaw("net.inet.tcp.pcblist_n")
	for range 3 {
		if !errors.Is(err, unix.ENOMEM) { // it grew after its size was asked for
			break
		}
		b, err = unix.SysctlRaw("net.inet.tcp.pcblist_n")
	}
	if err != nil {
		return false, fmt.Errorf("list connections: %w", err)
	}
	found, err := findPCBs(b, theirs, ours)
	if err != nil {
		return false, err
	}
	for _, p := range found {
		if !p.belongsTo(uint32(os.Geteuid())) { //nolint:gosec // a uid has 32 bits
			return false, nil
		}
	}
	return len(found) > 0 && stillOpen(c), nil
}

func (*owners) close() {}

// stillOpen says that our end of the connection is established, or half closed by the peer: otherwise the one that was found
// may be another process' that was given the port since.
func stillOpen(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPConnectionInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO)
		open = err == nil && (info.State == bsdEstablished || info.State == bsdCloseWait)
	})
	return err == nil && open
}
