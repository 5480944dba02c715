package exporter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sizes and numbers of the kernel's include/uapi/linux/{netlink,sock_diag,inet_diag}.h.
const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	nlHeaderLen      = 16 // struct nlmsghdr
	diagRequestLen   = 56 // struct inet_diag_req_v2
	diagMessageLen   = 72 // struct inet_diag_msg
	diagBufferLen    = 64 << 10
)

// allSockStates asks for sockets in whatever state; a mask with bit 1<<TCP_x set asks for those in state x.
const allSockStates = ^uint32(0)

// diagSocket is one socket as the kernel's sock_diag reports it. Addresses of an IPv6 socket that talks IPv4 are IPv4-mapped
// (::ffff:1.2.3.4), as in the kernel.
type diagSocket struct {
	State  uint8 // unix.BPF_TCP_*: 1 = established ... 10 = listen; an unconnected UDP socket is 7 (close)
	Family uint8 // unix.AF_INET or unix.AF_INET6
	Proto  uint8 // unix.IPPROTO_TCP or unix.IPPROTO_UDP, as asked for
	Src    netip.AddrPort
	Dst    netip.AddrPort
	Inode  uint32 // 0 for a socket that no process owns any more (time_wait)
	UID    uint32
}

// sockDiag dumps sockets over one netlink socket that stays open. The zero value is ready; it is not safe for concurrent use.
type sockDiag struct {
	fd   int // 0 = not open
	seq  uint32
	buf  []byte
	sent [nlHeaderLen + diagRequestLen]byte
}

// dump calls fn for each socket of the family (AF_INET, AF_INET6) and protocol (IPPROTO_TCP, IPPROTO_UDP) whose state is in
// the mask. It blocks while the kernel walks its tables, at most a second per answer. An error of fn ends the dump and is
// returned as it is. A dump during which sockets came and went may miss those; that is not an error.
//
// A kernel without sock_diag for the family answers unix.ENOENT; a sandbox may answer unix.EPROTONOSUPPORT or unix.EPERM.
func (c *sockDiag) dump(family, proto uint8, states uint32, fn func(diagSocket) error) error {
	if err := c.open(); err != nil {
		return err
	}
	c.seq++
	putDiagRequest(c.sent[:], c.seq, family, proto, states)
	if err := unix.Sendto(c.fd, c.sent[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		c.close() //nolint:errcheck // the send error says more
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			c.close() //nolint:errcheck // the receive error says more
			return fmt.Errorf("read sock_diag: %w", err)
		}
		done, err := parseSockDiag(c.buf[:n], c.seq, proto, fn)
		if err != nil {
			if !done {
				c.close() //nolint:errcheck // the rest of the dump is still queued: only a new socket is clean
			}
			return err
		}
		if done {
			return nil
		}
	}
}

func (c *sockDiag) open() error {
	if c.fd != 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		unix.Close(fd) //nolint:errcheck // the first error says more
		return fmt.Errorf("open sock_diag: %w", err)
	}
	if c.buf == nil {
		c.buf = make([]byte, diagBufferLen)
	}
	c.fd = fd
	return nil
}

// close frees the socket; the next dump opens a new one.
func (c *sockDiag) close() error {
	if c.fd == 0 {
		return nil
	}
	fd := c.fd
	c.fd = 0
	return unix.Close(fd)
}

// putDiagRequest writes a dump request, netlink header and all, into b.
func putDiagRequest(b []byte, seq uint32, family, proto uint8, states uint32) {
	clear(b)
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], nlHeaderLen+diagRequestLen)
	ne.PutUint16(b[4:], sockDiagByFamily)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	ne.PutUint32(b[8:], seq)
	b[16], b[17] = family, proto
	ne.PutUint32(b[20:], states)
}

// parseSockDiag reads one datagram of answers to request seq and calls fn for each socket. done says that the dump has ended,
// be it well or with the kernel's error; an error without done is fn's own or that of a broken datagram.
func parseSockDiag(b []byte, seq uint32, proto uint8, fn func(diagSocket) error) (done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= nlHeaderLen {
		size, kind, flags := int64(ne.Uint32(b)), ne.Uint16(b[4:]), ne.Uint16(b[6:])
		if size < nlHeaderLen || size > int64(len(b)) {
			return false, fmt.Errorf("read sock_diag: message of %d bytes in a datagram of %d", size, len(b))
		}
		body := b[nlHeaderLen:size]
		mine := ne.Uint32(b[8:]) == seq
		b = b[min((size+3)&^3, int64(len(b))):] // messages start at multiples of four
		switch {
		case !mine: // left over from a dump that was given up
		case kind == unix.NLMSG_DONE:
			return true, diagError(body)
		case kind == unix.NLMSG_ERROR:
			if len(body) < 4 {
				return true, errors.New("read sock_diag: short error message")
			}
			return true, diagError(body)
		case kind == sockDiagByFamily:
			s, ok := parseDiagMessage(body)
			if !ok {
				return false, fmt.Errorf("read sock_diag: socket of %d bytes, want %d", len(body), diagMessageLen)
			}
			s.Proto = proto
			if err := fn(s); err != nil {
				return false, err
			}
			if flags&unix.NLM_F_MULTI == 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// diagError is the error number that a done or error message begins with, nil for zero or none.
func diagError(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	n := int32(binary.NativeEndian.Uint32(body))
	if n >= 0 { // an acknowledgement, or the length of the dump
		return nil
	}
	return fmt.Errorf("read sock_diag: %w", syscall.Errno(-int64(n)))
}

func parseDiagMessage(b []byte) (s diagSocket, ok bool) {
	if len(b) < diagMessageLen {
		return s, false
	}
	s.Family, s.State = b[0], b[1]
	s.Src = diagAddr(s.Family, b[8:24], b[4:6])
	s.Dst = diagAddr(s.Family, b[24:40], b[6:8])
	s.UID = binary.NativeEndian.Uint32(b[64:])
	s.Inode = binary.NativeEndian.Uint32(b[68:])
	return s, true
}

// diagAddr reads an address and a port, both in network order. It is the zero address for a family that is not IP.
func diagAddr(family uint8, addr, port []byte) netip.AddrPort {
	var a netip.Addr
	switch family {
	case unix.AF_INET:
		a = netip.AddrFrom4([4]byte(addr[:4]))
	case unix.AF_INET6:
		a = netip.AddrFrom16([16]byte(addr[:16]))
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
