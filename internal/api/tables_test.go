package api

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

var (
	clientEnd = netip.MustParseAddrPort("127.0.0.1:50000")
	serverEnd = netip.MustParseAddrPort("127.0.0.1:8080")
	client6   = netip.MustParseAddrPort("[::1]:50000")
	server6   = netip.MustParseAddrPort("[::1]:8080")
)

// pcbRecord is one record of macOS' list, padded as there.
func pcbRecord(size, kind uint32, fill func(b []byte)) []byte {
	b := make([]byte, (size+7)&^7)
	binary.NativeEndian.PutUint32(b, size)
	binary.NativeEndian.PutUint32(b[4:], kind)
	fill(b)
	return b
}

func pcbRecords(local, remote netip.AddrPort, uid uint32, soState uint16, tcpState uint32) []byte {
	inet := pcbRecord(104, pcbInet, func(b []byte) {
		binary.BigEndian.PutUint16(b[16:], remote.Port())
		binary.BigEndian.PutUint16(b[18:], local.Port())
		b[44] = 2
		if local.Addr().Is4() {
			b[44] = 1
			copy(b[60:], remote.Addr().AsSlice())
			copy(b[76:], local.Addr().AsSlice())
			return
		}
		copy(b[48:], remote.Addr().AsSlice())
		copy(b[64:], local.Addr().AsSlice())
	})
	socket := pcbRecord(76, pcbSocket, func(b []byte) {
		binary.NativeEndian.PutUint16(b[26:], soState)
		binary.NativeEndian.PutUint32(b[64:], uid)
	})
	buffer := pcbRecord(32, 2, func([]byte) {})
	tcp := pcbRecord(204, pcbTCP, func(b []byte) { binary.NativeEndian.PutUint32(b[36:], tcpState) })
	return bytes.Join([][]byte{inet, socket, buffer, buffer, tcp}, nil)
}

func pcbList(connections ...[]byte) []byte {
	end := make([]byte, 24)
	binary.NativeEndian.PutUint32(end, 24)
	return bytes.Join([][]byte{end, bytes.Join(connections, nil), end}, nil)
}

func TestFindPCBs(t *testing.T) {
	const uid = 501
	mapped := netip.AddrPortFrom(netip.AddrFrom16(clientEnd.Addr().As16()), clientEnd.Port())
	mappedServer := netip.AddrPortFrom(netip.AddrFrom16(serverEnd.Addr().As16()), serverEnd.Port())
	good := pcbRecords(clientEnd, serverEnd, uid, 2, bsdEstablished)
	other := pcbRecords(netip.MustParseAddrPort("127.0.0.1:50001"), serverEnd, 502, 2, bsdEstablished)
	for name, c := range map[string]struct {
		list          []byte
		local, remote netip.AddrPort
		n             int
		ours          bool
	}{
		"among others":         {pcbList(other, good, other), clientEnd, serverEnd, 1, true},
		"other direction":      {pcbList(good), serverEnd, clientEnd, 0, false},
		"IPv6":                 {pcbList(good, pcbRecords(client6, server6, uid, 2, bsdFinWait2)), client6, server6, 1, true},
		"IPv4 by IPv6":         {pcbList(pcbRecords(mapped, mappedServer, uid, 2, bsdFinWait1)), clientEnd, serverEnd, 1, true},
		"another user":         {pcbList(pcbRecords(clientEnd, serverEnd, 502, 2, bsdEstablished)), clientEnd, serverEnd, 1, false},
		"root":                 {pcbList(pcbRecords(clientEnd, serverEnd, 0, 2, bsdEstablished)), clientEnd, serverEnd, 1, false},
		"closed by its user":   {pcbList(pcbRecords(clientEnd, serverEnd, uid, 2|pcbNoFile, bsdFinWait2)), clientEnd, serverEnd, 1, false},
		"TIME_WAIT":            {pcbList(pcbRecords(clientEnd, serverEnd, uid, 2, 10)), clientEnd, serverEnd, 1, false},
		"CLOSED":               {pcbList(pcbRecords(clientEnd, serverEnd, uid, 2, 0)), clientEnd, serverEnd, 1, false},
		"no record of its TCP": {pcbList(good[:len(good)-208], other), clientEnd, serverEnd, 1, false},
		"empty":                {pcbList(), clientEnd, serverEnd, 0, false},
	} {
		found, err := findPCBs(c.list, c.local, c.remote)
		if err != nil || len(found) != c.n || c.n == 1 && found[0].belongsTo(uid) != c.ours {
			t.Errorf("%s: %+v %v, want %d, ours %v", name, found, err, c.n, c.ours)
		}
	}
	for _, broken := range [][]byte{nil, {1, 0, 0, 0}, {200, 0, 0, 0}, append(pcbList()[:24], 4, 0, 0, 0, 1, 0, 0, 0), append(pcbList()[:24], 255, 0, 0, 0, 1, 0, 0, 0)} {
		if found, err := findPCBs(broken, clientEnd, serverEnd); err == nil {
			t.Errorf("%x: %v without an error", broken, found)
		}
	}
}

func FuzzFindPCBs(f *testing.F) {
	f.Add(pcbList(pcbRecords(clientEnd, serverEnd, 501, 2, bsdEstablished)))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := findPCBs(b, clientEnd, serverEnd)
		if err != nil && found != nil {
			t.Fatalf("%v and yet %+v", err, found)
		}
		for _, p := range found {
			if p.local != clientEnd || p.remote != serverEnd {
				t.Fatalf("found %+v", p)
			}
		}
	})
}

func tableRow(local, remote netip.AddrPort, state, pid uint32) []byte {
	le, be := binary.LittleEndian, binary.BigEndian
	if local.Addr().Is4() {
		b := make([]byte, 24)
		le.PutUint32(b, state)
		copy(b[4:], local.Addr().AsSlice())
		be.PutUint16(b[8:], local.Port())
		copy(b[12:], remote.Addr().AsSlice())
		be.PutUint16(b[16:], remote.Port())
		le.PutUint32(b[20:], pid)
		return b
	}
	b := make([]byte, 56)
	copy(b, local.Addr().AsSlice())
	be.PutUint16(b[20:], local.Port())
	copy(b[24:], remote.Addr().AsSlice())
	be.PutUint16(b[44:], remote.Port())
	le.PutUint32(b[48:], state)
	le.PutUint32(b[52:], pid)
	return b
}

func tableOf(rows ...[]byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(rows))), append(bytes.Join(rows, nil), 0xff, 0xff)...)
}

func TestPIDOfConnection(t *testing.T) {
	mapped := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	other := tableRow(serverEnd, clientEnd, mibEstablished, 1)
	for name, c := range map[string]struct {
		table         []byte
		six           bool
		local, remote netip.AddrPort
		pid           uint32
	}{
		"IPv4":         {tableOf(other, tableRow(clientEnd, serverEnd, mibEstablished, 77), other), false, clientEnd, serverEnd, 77},
		"IPv6":         {tableOf(tableRow(client6, server6, mibFinWait2, 78)), true, client6, server6, 78},
		"IPv4 by IPv6": {tableOf(tableRow(mapped(clientEnd), mapped(serverEnd), mibFinWait1, 79)), true, clientEnd, serverEnd, 79},
		"gone":         {tableOf(other), false, clientEnd, serverEnd, 0},
		"closed":       {tableOf(tableRow(clientEnd, serverEnd, 11, 0)), false, clientEnd, serverEnd, 0},
		"CLOSE_WAIT":   {tableOf(tableRow(clientEnd, serverEnd, 8, 77)), false, clientEnd, serverEnd, 0},
		"empty":        {tableOf(), false, clientEnd, serverEnd, 0},
	} {
		if pid, err := pidOfConnection(c.table, c.six, c.local, c.remote); err != nil || pid != c.pid {
			t.Errorf("%s: %d %v, want %d", name, pid, err, c.pid)
		}
	}
	for _, broken := range [][]byte{nil, {1, 0, 0}, {1, 0, 0, 0}, {255, 255, 255, 255, 0}} {
		if pid, err := pidOfConnection(broken, false, clientEnd, serverEnd); err == nil {
			t.Errorf("%x: %d without an error", broken, pid)
		}
	}
}

func FuzzPIDOfConnection(f *testing.F) {
	f.Add(tableOf(tableRow(clientEnd, serverEnd, mibEstablished, 77)), false)
	f.Add(tableOf(tableRow(client6, server6, mibEstablished, 77)), true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		if pid, err := pidOfConnection(b, six, clientEnd, serverEnd); err != nil && pid != 0 {
			t.Fatalf("%v and yet %d", err, pid)
		}
	})
}
