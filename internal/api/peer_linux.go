package api

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// trustedPeer asks the kernel who opened the other end of a unix socket (SO_PEERCRED): our own user or root.
func trustedPeer(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	trusted := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		trusted = err == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
	})
	return err == nil && trusted
}

// nobody is the user that a user namespace shows for all whom it does not know: no two of these are the same person.
const nobody = 65534

// Sizes and numbers of the kernel's include/uapi/linux/{netlink,sock_diag,inet_diag}.h.
const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	netlinkHeader    = 16 // struct nlmsghdr
	diagRequest      = 56 // struct inet_diag_req_v2
	diagAnswer       = 72 // struct inet_diag_msg
	loopbackIndex    = 1  // of lo in every network namespace
)

// owners asks the kernel's sock_diag whose the other end of a loopback connection is, over one netlink socket that stays
// open. The zero value is ready, and safe for concurrent use.
type owners struct {
	mu   sync.Mutex
	fd   int // 0 = not open
	seq  uint32
	sent [netlinkHeader + diagRequest]byte
	got  [4096]byte // an answer is about 100 bytes
}

// same says whether the socket at theirs that is connected to ours, which is c, belongs to a process of exactly our user: not
// root's, because a forwarder that root runs must not lend its rights to whom it forwards. It takes microseconds and never
// waits. It is false, without an error, for a peer that has gone; an error says that this kernel cannot be asked.
//
// Each condition closes a hole. A peer that closed its end leaves a socket without inode whose uid is given as 0, root's. A
// 4-tuple that is not there is answered by the listener on the port, whose uid is ours. And when the peer has gone by a reset,
// another process may be given its port: then our end, checked last, is closed.
func (o *owners) same(c *net.TCPConn, ours, theirs netip.AddrPort) (bool, error) {
	us := uint32(os.Geteuid()) //nolint:gosec // a uid has 32 bits
	if us == nobody {
		return false, fmt.Errorf("this process runs as uid %d, which may stand for anybody", nobody)
	}
	found, err := o.lookup(theirs, ours)
	if errors.Is(err, unix.ENOENT) {
		return false, o.explain(c, ours, theirs)
	}
	if err != nil {
		return false, err
	}
	if !found.belongsTo(us, theirs, ours) {
		return false, nil
	}
	return stillOpen(c), nil
}

// explain tells a peer that has gone (nil) from a kernel without tcp_diag, which finds no socket at all, not even our end.
func (o *owners) explain(c *net.TCPConn, ours, theirs netip.AddrPort) error {
	if !stillOpen(c) {
		return nil
	}
	if _, err := o.lookup(ours, theirs); errors.Is(err, unix.ENOENT) && stillOpen(c) {
		return errors.New("this kernel has no tcp_diag (CONFIG_INET_TCP_DIAG)")
	}
	return nil
}

// stillOpen says that our end of the connection is established, or half closed by the peer.
func stillOpen(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO)
		open = err == nil && (info.State == unix.BPF_TCP_ESTABLISHED || info.State == unix.BPF_TCP_CLOSE_WAIT)
	})
	return err == nil && open
}

// lookup asks for the socket at local that is connected to remote; unix.ENOENT when there is none. Whatever else goes wrong
// drops the netlink socket, so that no late answer meets a later question.
func (o *owners) lookup(local, remote netip.AddrPort) (diagSocket, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, err := o.lookupLocked(local, remote)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		o.closeLocked()
	}
	return s, err
}

func (o *owners) lookupLocked(local, remote netip.AddrPort) (diagSocket, error) {
	if err := o.openLocked(); err != nil {
		return diagSocket{}, err
	}
	o.seq++
	putDiagRequest(&o.sent, o.seq, local, remote)
	if _, err := retry(func() (int, error) { return unix.Write(o.fd, o.sent[:]) }); err != nil {
		return diagSocket{}, fmt.Errorf("ask sock_diag: %w", err)
	}
	// The kernel answers before the write returns: what is not there now never comes.
	n, err := retry(func() (int, error) { return unix.Read(o.fd, o.got[:]) })
	if err != nil {
		return diagSocket{}, fmt.Errorf("read sock_diag: %w", err)
	}
	return parseDiag(o.got[:n], o.seq)
}

func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func (o *owners) openLocked() error {
	if o.fd != 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	// Connected to the kernel (port 0), the socket takes messages of nobody else.
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("connect sock_diag: %w", err)
	}
	o.fd = fd
	return nil
}

func (o *owners) closeLocked() {
	if o.fd != 0 {
		_ = unix.Close(o.fd)
		o.fd = 0
	}
}

// close frees the socket; the next question opens a new one.
func (o *owners) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked()
}

// putDiagRequest writes the question for one socket, by its exact addresses.
func putDiagRequest(b *[netlinkHeader + diagRequest]byte, seq uint32, local, remote netip.AddrPort) {
	clear(b[:])
	ne, be := binary.NativeEndian, binary.BigEndian
	ne.PutUint32(b[0:], uint32(len(b)))
	ne.PutUint16(b[4:], sockDiagByFamily)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST)
	ne.PutUint32(b[8:], seq)
	q := b[netlinkHeader:]
	q[0], q[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() { // finds sockets of AF_INET6 that talk IPv4 as well
		q[0] = unix.AF_INET
	}
	ne.PutUint32(q[4:], ^uint32(0)) // in whatever state
	be.PutUint16(q[8:], local.Port())
	be.PutUint16(q[10:], remote.Port())
	copy(q[12:28], local.Addr().AsSlice())
	copy(q[28:44], remote.Addr().AsSlice())
	ne.PutUint32(q[44:], loopbackIndex)
	ne.PutUint64(q[48:], ^uint64(0)) // INET_DIAG_NOCOOKIE: whichever socket it is
}

// diagSocket is one socket as sock_diag reports it, its addresses unmapped.
type diagSocket struct {
	state         uint8 // unix.BPF_TCP_*
	local, remote netip.AddrPort
	uid           uint32 // of who made it; 0 also when nobody has it any more
	inode         uint32 // 0 when nobody has it any more
}

// belongsTo says that a living process of that user has the socket, and that it is the one that was asked for.
func (d diagSocket) belongsTo(uid uint32, local, remote netip.AddrPort) bool {
	return d.uid == uid && d.uid != nobody && d.inode != 0 && d.local == local && d.remote == remote &&
		slices.Contains([]uint8{unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_FIN_WAIT1, unix.BPF_TCP_FIN_WAIT2}, d.state)
}

// parseDiag reads the answer to the question seq. The kernel's refusals come back as unix.Errno.
func parseDiag(b []byte, seq uint32) (diagSocket, error) {
	ne, be := binary.NativeEndian, binary.BigEndian
	if len(b) < netlinkHeader {
		return diagSocket{}, fmt.Errorf("sock_diag answers %d bytes, less than a header", len(b))
	}
	size := ne.Uint32(b)
	if size < netlinkHeader || uint64(size) > uint64(len(b)) {
		return diagSocket{}, fmt.Errorf("sock_diag answers %d bytes and says that they are %d", len(b), size)
	}
	if got := ne.Uint32(b[8:]); got != seq {
		return diagSocket{}, fmt.Errorf("sock_diag answers question %d, not %d", got, seq)
	}
	kind, m := ne.Uint16(b[4:]), b[netlinkHeader:size]
	switch {
	case kind == unix.NLMSG_ERROR && len(m) >= 4:
		code := -int64(int32(ne.Uint32(m))) //nolint:gosec // the kernel's int
		if code <= 0 {
			return diagSocket{}, fmt.Errorf("sock_diag answers with error %d", -code)
		}
		return diagSocket{}, fmt.Errorf("sock_diag: %w", unix.Errno(code))
	case kind != sockDiagByFamily:
		return diagSocket{}, fmt.Errorf("sock_diag answers with a message of type %d", kind)
	case len(m) < diagAnswer:
		return diagSocket{}, fmt.Errorf("sock_diag describes a socket in %d bytes, want %d", len(m), diagAnswer)
	}
	end := func(port, addr []byte) netip.AddrPort {
		ip := netip.AddrFrom16([16]byte(addr))
		if m[0] == unix.AF_INET {
			ip = netip.AddrFrom4([4]byte(addr))
		}
		return plainAddr(netip.AddrPortFrom(ip, be.Uint16(port)))
	}
	if m[0] != unix.AF_INET && m[0] != unix.AF_INET6 {
		return diagSocket{}, fmt.Errorf("sock_diag describes a socket of family %d", m[0])
	}
	return diagSocket{
		state: m[1],
		local: end(m[4:6], m[8:24]), remote: end(m[6:8], m[24:40]),
		uid: ne.Uint32(m[64:]), inode: ne.Uint32(m[68:]),
	}, nil
}
