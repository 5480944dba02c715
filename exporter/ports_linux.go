package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// TCP states of the kernel's include/net/tcp_states.h.
const (
	tcpClose  = 7
	tcpListen = 10
)

// socketStates are the kernel's states by number, spelled as psutil does.
var socketStates = [...]string{
	1: "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
	"LISTEN", "CLOSING", "SYN_RECV",
}

// socketReader reads sockets by sock_diag, and by the tables of /proc/net where the kernel has no sock_diag for us. One
// goroutine uses it at a time.
type socketReader struct {
	o      *Options
	diag   sockDiag
	owners socketOwners
	// kept for their memory
	socks  []diagSocket
	inodes []uint32
	keys   []uint64
}

// addressText keeps the text of an address, which seldom changes.
type addressText struct {
	addr netip.Addr
	text string
}

func (t *addressText) of(a netip.Addr) string {
	if t.text == "" || t.addr != a {
		t.addr, t.text = a, a.Unmap().String()
	}
	return t.text
}

func newSocketReader(o *Options) *socketReader {
	return &socketReader{o: o, owners: newSocketOwners(o.ProcRoot)}
}

// readPorts reads the listening sockets at time now.
func (r *socketReader) readPorts(ctx context.Context, now time.Time) (*Ports, error) {
	list, err := r.read(ctx, now, 1<<tcpListen, 1<<tcpClose)
	if list == nil {
		return nil, err
	}
	p := &Ports{List: onePerAddress(list), Unreadable: r.owners.closed}
	for i := range p.List {
		if p.List[i].PID == 0 {
			p.OwnerUnknown++
		}
	}
	return p, err
}

// readSockets reads all sockets at time now.
func (r *socketReader) readSockets(ctx context.Context, now time.Time) (*Sockets, error) {
	list, err := r.read(ctx, now, allSockStates, allSockStates)
	if list == nil {
		return nil, err
	}
	return &Sockets{List: list}, err
}

// read lists the TCP and UDP sockets in the given states, sorted. The list is nil when none of the tables could be read; when
// one of them, or the owners, could not, the error wraps ErrPartial.
func (r *socketReader) read(ctx context.Context, now time.Time, tcp, udp uint32) ([]Port, error) {
	r.socks = r.socks[:0]
	var problem error
	failed := 0
	for _, q := range [...]struct {
		family, proto uint8
		states        uint32
		name          string
	}{
		{unix.AF_INET, unix.IPPROTO_TCP, tcp, "tcp"},
		{unix.AF_INET6, unix.IPPROTO_TCP, tcp, "tcp6"},
		{unix.AF_INET, unix.IPPROTO_UDP, udp, "udp"},
		{unix.AF_INET6, unix.IPPROTO_UDP, udp, "udp6"},
	} {
		if err := r.dump(q.family, q.proto, q.states, q.name); err != nil {
			failed++
			problem = errors.Join(problem, fmt.Errorf("list %s sockets: %w", q.name, err))
		}
	}
	if failed == 4 {
		return nil, problem
	}
	r.inodes = r.inodes[:0]
	for i := range r.socks {
		r.inodes = append(r.inodes, r.socks[i].Inode)
	}
	err := r.owners.resolve(ctx, r.inodes, now)
	if len(r.owners.found) != len(r.socks) {
		return nil, err // /proc is not there
	}
	if err != nil {
		problem = errors.Join(problem, err)
	}
	if problem != nil {
		problem = fmt.Errorf("%w: %w", problem, ErrPartial)
	}
	return r.list(), problem
}

// dump appends the sockets of one table to r.socks.
func (r *socketReader) dump(family, proto uint8, states uint32, name string) error {
	n := len(r.socks)
	err := r.diag.dump(family, proto, states, func(s diagSocket) error {
		if s.Src.Port() != 0 {
			r.socks = append(r.socks, s)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	r.socks = r.socks[:n]
	for _, refused := range []error{unix.ENOENT, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EPERM, unix.EACCES, unix.EOPNOTSUPP, unix.EINVAL} {
		if errors.Is(err, refused) {
			return r.dumpTable(proto, states, name)
		}
	}
	return err
}

// list turns r.socks into sorted rows with their owners.
func (r *socketReader) list() []Port {
	// Sorting small keys and then the few rows of one port costs a tenth of sorting all rows.
	r.keys = r.keys[:0]
	for i := range r.socks {
		s := &r.socks[i]
		key := uint64(s.Src.Port())<<40 | uint64(i)
		if s.Proto == unix.IPPROTO_UDP {
			key |= 1 << 39
		}
		r.keys = append(r.keys, key)
	}
	slices.Sort(r.keys)
	list := make([]Port, len(r.keys))
	begin := 0
	for i, key := range r.keys {
		n := key & (1<<39 - 1)
		r.row(&list[i], &r.socks[n], r.owners.found[n])
		if i+1 == len(r.keys) || key>>39 != r.keys[i+1]>>39 {
			if i > begin {
				slices.SortFunc(list[begin:i+1], func(a, b Port) int { return orderPorts(&a, &b) })
			}
			begin = i + 1
		}
	}
	return list
}

func (r *socketReader) row(p *Port, s *diagSocket, o *ownedSocket) {
	p.Port, p.Protocol, p.State = int(s.Src.Port()), "tcp", "NONE"
	if s.Proto == unix.IPPROTO_UDP {
		p.Protocol = "udp"
	} else if int(s.State) < len(socketStates) && s.State > 0 {
		p.State = socketStates[s.State]
	}
	if o != nil {
		p.Address = o.src.of(s.Src.Addr())
		if o.process != nil {
			p.PID, p.Process = o.process.pid, o.process.name
			p.Service = r.o.ServiceOf(p.PID)
		}
	} else {
		p.Address = s.Src.Addr().Unmap().String()
	}
	if s.Dst.Port() != 0 {
		p.RemoteAddress, p.RemotePort = s.Dst.Addr().Unmap().String(), int(s.Dst.Port())
	}
}

func (r *socketReader) close() error {
	r.owners.close()
	return r.diag.close()
}
