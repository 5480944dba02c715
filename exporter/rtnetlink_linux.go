package exporter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// linkDump asks the kernel for all interfaces at once (RTM_GETLINK) over a netlink socket that stays open. One answer holds
// names, state and all counters; /proc/net/dev has no state and lumps several counters together. Not safe for concurrent use.
type linkDump struct {
	fd   int // 0 = not open
	seq  uint32
	buf  []byte
	sent [nlHeaderLen + unix.SizeofIfInfomsg + 8]byte
}

// skipFamilyStats is RTEXT_FILTER_SKIP_STATS: leave out the counters that each address family keeps, which nobody here reads
// and which the kernel sums over all processors. The counters of the interface itself come all the same.
const skipFamilyStats = 1 << 3

func (c *linkDump) open() error {
	if c.fd != 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		unix.Close(fd) //nolint:errcheck // the first error says more
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	if c.buf == nil {
		c.buf = make([]byte, diagBufferLen)
	}
	c.fd = fd
	return nil
}

func (c *linkDump) close() error {
	if c.fd == 0 {
		return nil
	}
	fd := c.fd
	c.fd = 0
	return unix.Close(fd)
}

// dump appends every interface to list.
func (c *linkDump) dump(list []NetworkDevice, names *interner) ([]NetworkDevice, error) {
	if err := c.open(); err != nil {
		return list, err
	}
	c.seq++
	ne := binary.NativeEndian
	clear(c.sent[:])
	ne.PutUint32(c.sent[0:], uint32(len(c.sent)))
	ne.PutUint16(c.sent[4:], unix.RTM_GETLINK)
	ne.PutUint16(c.sent[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	ne.PutUint32(c.sent[8:], c.seq)
	mask := c.sent[nlHeaderLen+unix.SizeofIfInfomsg:]
	ne.PutUint16(mask[0:], 8)
	ne.PutUint16(mask[2:], unix.IFLA_EXT_MASK)
	ne.PutUint32(mask[4:], skipFamilyStats)
	if err := unix.Sendto(c.fd, c.sent[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		c.close() //nolint:errcheck // the send error says more
		return list, fmt.Errorf("ask rtnetlink: %w", err)
	}
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			c.close() //nolint:errcheck // the receive error says more
			return list, fmt.Errorf("read rtnetlink: %w", err)
		}
		var done bool
		list, done, err = parseLinks(c.buf[:n], c.seq, list, names)
		if err != nil {
			c.close() //nolint:errcheck // what is still queued belongs to nobody
			return list, fmt.Errorf("read rtnetlink: %w", err)
		}
		if done {
			return list, nil
		}
	}
}

var errShortMessage = errors.New("message longer than its datagram")

// parseLinks reads one datagram of answers to RTM_GETLINK.
func parseLinks(b []byte, seq uint32, list []NetworkDevice, names *interner) (_ []NetworkDevice, done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= nlHeaderLen {
		size, kind := int64(ne.Uint32(b)), ne.Uint16(b[4:])
		if size < nlHeaderLen || size > int64(len(b)) {
			return list, false, errShortMessage
		}
		body := b[nlHeaderLen:size]
		mine := ne.Uint32(b[8:]) == seq
		b = b[min((size+3)&^3, int64(len(b))):]
		switch {
		case !mine:
		case kind == unix.NLMSG_DONE:
			return list, true, nil
		case kind == unix.NLMSG_ERROR:
			if len(body) >= 4 {
				if n := int32(ne.Uint32(body)); n < 0 {
					return list, true, syscall.Errno(-int64(n))
				}
			}
			return list, true, nil
		case kind == unix.RTM_NEWLINK:
			if d, ok := parseLink(body, names); ok {
				list = append(list, d)
			}
		}
	}
	return list, false, nil
}

// parseLink reads one interface: struct ifinfomsg, then attributes. One without name or counters is left out.
func parseLink(b []byte, names *interner) (d NetworkDevice, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return d, false
	}
	ne := binary.NativeEndian
	flags := ne.Uint32(b[8:])
	d.Loopback = flags&unix.IFF_LOOPBACK != 0
	d.Up = flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING != 0
	b = b[unix.SizeofIfInfomsg:]
	counted := false
	for len(b) >= 4 {
		size, kind := int(ne.Uint16(b)), ne.Uint16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		value := b[4:size]
		b = b[min((size+3)&^3, len(b)):]
		switch kind {
		case unix.IFLA_IFNAME:
			for i, c := range value {
				if c == 0 {
					value = value[:i]
					break
				}
			}
			d.Device = names.get(value)
		case unix.IFLA_STATS64:
			counted = d.putStats64(value)
		}
	}
	return d, counted && d.Device != ""
}

// putStats64 reads struct rtnl_link_stats64, joining counters the way /proc/net/dev (and so node_exporter) does.
func (d *NetworkDevice) putStats64(b []byte) bool {
	var n [24]float64
	if len(b) < 23*8 { // the 24th came with Linux 4.6
		return false
	}
	n[23] = unknown()
	for i := range min(len(n), len(b)/8) {
		n[i] = float64(binary.NativeEndian.Uint64(b[8*i:]))
	}
	const (
		rxPackets, txPackets, rxBytes, txBytes, rxErrors, txErrors, rxDropped, txDropped, multicast, collisions = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
		rxLength, rxOver, rxCRC, rxFrame, rxFIFO, rxMissed                                                      = 10, 11, 12, 13, 14, 15
		txAborted, txCarrier, txFIFO, txHeartbeat, txWindow, rxCompressed, txCompressed, rxNoHandler            = 16, 17, 18, 19, 20, 21, 22, 23
	)
	d.Receive = NetworkCounters{n[rxBytes], n[rxPackets], n[rxErrors], n[rxDropped] + n[rxMissed], n[rxFIFO], n[rxCompressed]}
	d.Transmit = NetworkCounters{n[txBytes], n[txPackets], n[txErrors], n[txDropped], n[txFIFO], n[txCompressed]}
	d.Multicast, d.Collisions, d.NoHandler = n[multicast], n[collisions], n[rxNoHandler]
	d.Frame = n[rxLength] + n[rxOver] + n[rxCRC] + n[rxFrame]
	d.Carrier = n[txCarrier] + n[txAborted] + n[txWindow] + n[txHeartbeat]
	return true
}
