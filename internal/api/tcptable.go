package api

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// States of Windows' MIB_TCP_STATE (tcpmib.h).
const (
	mibEstablished, mibFinWait1, mibFinWait2 = 5, 6, 7
)

// pidOfConnection finds the process that has the connection from local to remote in a table of GetExtendedTcpTable of the class
// TCP_TABLE_OWNER_PID_CONNECTIONS; 0 when there is none or it is not open. six says that the rows are MIB_TCP6ROW_OWNER_PID, else
// MIB_TCPROW_OWNER_PID. The reader stands apart from the call so that it is tested on every platform.
func pidOfConnection(table []byte, six bool, local, remote netip.AddrPort) (uint32, error) {
	le, be := binary.LittleEndian, binary.BigEndian
	if len(table) < 4 {
		return 0, fmt.Errorf("the table of connections has %d bytes", len(table))
	}
	size := 24
	if six {
		size = 56
	}
	n, rows := uint64(le.Uint32(table)), table[4:]
	if n*uint64(size) > uint64(len(rows)) {
		return 0, fmt.Errorf("the table of connections has %d bytes and says that it has %d rows", len(table), n)
	}
	for range n {
		r := rows[:size]
		rows = rows[size:]
		var from, to netip.AddrPort
		var state, pid uint32
		if six {
			from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(r[0:16])), be.Uint16(r[20:]))
			to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(r[24:40])), be.Uint16(r[44:]))
			state, pid = le.Uint32(r[48:]), le.Uint32(r[52:])
		} else {
			from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r[4:8])), be.Uint16(r[8:]))
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r[12:16])), be.Uint16(r[16:]))
			state, pid = le.Uint32(r[0:]), le.Uint32(r[20:])
		}
		open := state == mibEstablished || state == mibFinWait1 || state == mibFinWait2
		if open && plainAddr(from) == local && plainAddr(to) == remote {
			return pid, nil
		}
	}
	return 0, nil
}
