package exporter

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dumpTable appends the sockets of /proc/net/tcp, tcp6, udp or udp6 that are in the given states. It takes the place of
// sock_diag where a sandbox forbids that; with many sockets it costs the kernel far more. A table that does not exist (no
// IPv6) is an empty one.
func (r *socketReader) dumpTable(proto uint8, states uint32, name string) error {
	b, err := os.ReadFile(filepath.Join(r.o.ProcRoot, "net", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(b) {
		if s, ok := parseSocketLine(line); ok && states&(1<<s.State) != 0 && s.Src.Port() != 0 {
			s.Proto = proto
			r.socks = append(r.socks, s)
		}
	}
	return nil
}

// parseSocketLine reads one line of /proc/net/{tcp,udp}{,6} (proc_net(5)): "sl local remote st tx:rx tr:when retr uid timeout
// inode ...". The heading and broken lines are not ok.
func parseSocketLine(line []byte) (s diagSocket, ok bool) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return s, false
	}
	src, ok1 := parseHexAddr(f[1])
	dst, ok2 := parseHexAddr(f[2])
	var state [1]byte
	if len(f[3]) != 2 {
		return s, false
	}
	if _, err := hex.Decode(state[:], f[3]); err != nil || state[0] > 31 {
		return s, false
	}
	uid, n := parseDigits(f[7])
	inode, m := parseDigits(f[9])
	if !ok1 || !ok2 || n != len(f[7]) || m != len(f[9]) || uid > 1<<32-1 || inode > 1<<32-1 {
		return s, false
	}
	s = diagSocket{State: state[0], Family: unix.AF_INET, Src: src, Dst: dst, Inode: uint32(inode), UID: uint32(uid)}
	if src.Addr().Is6() {
		s.Family = unix.AF_INET6
	}
	return s, true
}

// parseHexAddr reads "0100007F:1F90": 32-bit words in the machine's order, then the port.
func parseHexAddr(b []byte) (netip.AddrPort, bool) {
	host, port, ok := bytes.Cut(b, []byte(":"))
	var raw [16]byte
	var p [2]byte
	if !ok || len(host) != 8 && len(host) != 32 || len(port) != 4 {
		return netip.AddrPort{}, false
	}
	if _, err := hex.Decode(raw[:], host); err != nil {
		return netip.AddrPort{}, false
	}
	if _, err := hex.Decode(p[:], port); err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(host)/2; i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr := netip.AddrFrom16(raw)
	if len(host) == 8 {
		addr = netip.AddrFrom4([4]byte(raw[:4]))
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(p[:])), true
}
