package api

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Kinds of the records of macOS' sysctl net.inet.tcp.pcblist_n, and states, of its bsd/sys/socketvar.h and
// bsd/netinet/{in_pcb,tcp_fsm}.h. The reader stands apart from the call so that it is tested on every platform.
const (
	pcbSocket = 0x001 // struct xsocket_n
	pcbInet   = 0x010 // struct xinpcb_n: the first record of a connection
	pcbTCP    = 0x020 // struct xtcpcb_n

	pcbNoFile = 0x001 // SS_NOFDREF of so_state: no process has it any more

	bsdEstablished, bsdCloseWait, bsdFinWait1, bsdFinWait2 = 4, 5, 6, 9 // TCPS_*
)

// pcb is one connection of that list.
type pcb struct {
	local, remote netip.AddrPort // unmapped
	uid           uint32         // of who made the socket
	state         int32          // TCPS_*
	open          bool           // a process has it
	seen          uint32         // kinds of records that were there
}

// belongsTo says that a living process of that user has the socket.
func (p pcb) belongsTo(uid uint32) bool {
	whole := uint32(pcbSocket | pcbInet | pcbTCP)
	return p.seen&whole == whole && p.uid == uid && p.open && (p.state == bsdEstablished || p.state == bsdFinWait1 || p.state == bsdFinWait2)
}

// findPCBs returns the connections from local to remote; one is what there should be.
func findPCBs(b []byte, local, remote netip.AddrPort) ([]pcb, error) {
	ne, be := binary.NativeEndian, binary.BigEndian
	if len(b) < 4 {
		return nil, fmt.Errorf("the list of connections has %d bytes", len(b))
	}
	head := ne.Uint32(b) // struct xinpgen stands at both ends
	if head < 24 || uint64(head) > uint64(len(b)) {
		return nil, fmt.Errorf("the list of connections begins with a head of %d bytes", head)
	}
	b = b[head:]
	var all []pcb
	var now pcb
	keep := func() {
		if now.seen != 0 && now.local == local && now.remote == remote {
			all = append(all, now)
		}
		now = pcb{}
	}
	for len(b) >= 8 {
		size, kind := ne.Uint32(b), ne.Uint32(b[4:])
		if size == head {
			break // the second xinpgen
		}
		if size < 8 || uint64(size) > uint64(len(b)) {
			return nil, fmt.Errorf("the list of connections has a record of %d bytes", size)
		}
		r := b[:size]
		switch {
		case kind == pcbInet && size >= 80:
			keep()
			now.seen |= pcbInet
			end := func(port, addr []byte) netip.AddrPort {
				ip := netip.AddrFrom16([16]byte(addr))
				if r[44]&1 != 0 { // inp_vflag: IPv4, in the last four bytes
					ip = netip.AddrFrom4([4]byte(addr[12:]))
				}
				return plainAddr(netip.AddrPortFrom(ip, be.Uint16(port)))
			}
			now.remote, now.local = end(r[16:18], r[48:64]), end(r[18:20], r[64:80])
		case kind == pcbSocket && size >= 68:
			now.seen |= pcbSocket
			now.open = ne.Uint16(r[26:])&pcbNoFile == 0
			now.uid = ne.Uint32(r[64:])
		case kind == pcbTCP && size >= 40:
			now.seen |= pcbTCP
			now.state = int32(ne.Uint32(r[36:])) //nolint:gosec // the kernel's int
		}
		b = b[min(len(b), int(size+7)&^7):] // records begin at multiples of 8
	}
	keep()
	return all, nil
}
