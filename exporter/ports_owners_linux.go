package exporter

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	unknownAgain = 60 * time.Second // a socket without an owner that we may see is looked for again after this
	checkSockets = 16               // sockets whose owner is checked each time, beside one of each owner
	renameOwners = 4                // owners whose name is read again each time
	keptOwners   = 256              // descriptors of /proc/PID kept at most
)

// socketOwners finds the processes that hold sockets. Owners, and that there is none, are remembered while the socket is
// asked for, and checked a few at a time; all processes' descriptors are walked only when a socket is new or its owner let
// go of it. It is not safe for concurrent use.
type socketOwners struct {
	dir     procDir
	byInode map[uint32]*ownedSocket
	procs   map[int]*ownerProcess
	budget  int // descriptors that may still be kept
	round   uint64
	cursor  int // where the rotating checks go on
	walks   int // full walks so far
	closed  int // processes that could not be looked into in the last walk that came to its end
	// kept for their memory
	live   []*ownedSocket // each socket once
	found  []*ownedSocket // one for each of resolve's inodes, nil for a zero
	owners []*ownerProcess
	wanted map[uint32]*ownedSocket
	pids   []int
	fds    []int
	buf    []byte
	link   [64]byte
}

// ownedSocket is a socket and who holds it.
type ownedSocket struct {
	inode   uint32
	process *ownerProcess // nil = unknown
	fd      int           // its number in that process
	round   uint64
	tried   time.Time // when all processes were looked through in vain
	src     addressText
}

// ownerProcess is a process that holds sockets. The kept directory names the process for good: it finds nothing once the
// process has ended, even when its number has a new one.
type ownerProcess struct {
	pid     int
	dir     int // descriptor of /proc/PID, -1 = not kept
	name    string
	sockets []*ownedSocket // of this round
	round   uint64
}

func newSocketOwners(root string) socketOwners {
	return socketOwners{
		dir: newProcDir(root), byInode: map[uint32]*ownedSocket{}, procs: map[int]*ownerProcess{},
		wanted: map[uint32]*ownedSocket{}, budget: fdBudget(keptOwners, 16), buf: make([]byte, cmdlineBytes),
	}
}

// resolve finds the owners of the sockets and leaves them in found, in the order of inodes. It forgets sockets that are
// not among them. An error means that /proc could not be listed or that ctx ended; what was known stays.
func (s *socketOwners) resolve(ctx context.Context, inodes []uint32, now time.Time) error {
	if err := s.dir.open(); err != nil {
		return err
	}
	s.round++
	s.live, s.owners, s.found = s.live[:0], s.owners[:0], s.found[:0]
	again := false
	for _, inode := range inodes {
		if inode == 0 {
			s.found = append(s.found, nil)
			continue
		}
		o := s.byInode[inode]
		s.found = append(s.found, o)
		if o == nil {
			o = &ownedSocket{inode: inode}
			s.byInode[inode], s.found[len(s.found)-1] = o, o
		} else if o.round == s.round {
			continue
		}
		o.round = s.round
		s.live = append(s.live, o)
		if o.process != nil {
			s.hold(o, o.process)
		} else if now.Sub(o.tried) >= unknownAgain {
			again = true
		}
	}
	if len(s.live) != len(s.byInode) {
		for inode, o := range s.byInode {
			if o.round != s.round {
				delete(s.byInode, inode)
			}
		}
	}
	if s.check() {
		again = true
	}
	var err error
	if again {
		err = s.walk(ctx, now)
	}
	s.sweep()
	s.rename()
	return err
}

// hold notes that a process holds a socket in this round.
func (s *socketOwners) hold(o *ownedSocket, p *ownerProcess) {
	if p.round != s.round {
		p.round, p.sockets = s.round, p.sockets[:0]
		s.owners = append(s.owners, p)
	}
	p.sockets = append(p.sockets, o)
}

// check looks at one socket of each owner and at a few more, and lets go of those that are no longer where they were. It
// says whether there were any.
func (s *socketOwners) check() (lost bool) {
	for _, p := range s.owners {
		if len(s.live) > checkSockets && !s.holds(p, p.sockets[s.round%uint64(len(p.sockets))]) {
			lost = s.recheck(p) || lost
		}
	}
	for range min(checkSockets, len(s.live)) {
		s.cursor++
		o := s.live[s.cursor%len(s.live)]
		if o.process != nil && !s.holds(o.process, o) {
			lost = s.recheck(o.process) || lost
		}
	}
	return lost
}

// recheck looks at all sockets of a process.
func (s *socketOwners) recheck(p *ownerProcess) (lost bool) {
	for _, o := range p.sockets {
		if o.process == p && !s.holds(p, o) {
			o.process, o.tried, lost = nil, time.Time{}, true
		}
	}
	return lost
}

// holds says whether a process has a socket under the number it had.
func (s *socketOwners) holds(p *ownerProcess, o *ownedSocket) bool {
	fd, path := p.dir, s.dir.path[:0]
	if fd < 0 {
		fd = s.dir.fd
		path = append(strconv.AppendInt(path, int64(p.pid), 10), '/')
	}
	path = strconv.AppendInt(append(path, "fd/"...), int64(o.fd), 10)
	s.dir.path = path
	return s.socketAt(fd, string(path)) == o.inode
}

// socketAt is the inode of the socket that a link of /proc/PID/fd leads to, 0 when it is another file or cannot be read.
func (s *socketOwners) socketAt(dir int, path string) uint32 {
	n, err := retry(func() (int, error) { return unix.Readlinkat(dir, path, s.link[:]) })
	if err != nil {
		return 0
	}
	return socketInode(s.link[:n])
}

// socketInode reads "socket:[123]"; 0 = it is none.
func socketInode(link []byte) uint32 {
	digits, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok {
		return 0
	}
	v, n := parseDigits(digits)
	if n == 0 || n+1 != len(digits) || digits[n] != ']' || v > 1<<32-1 {
		return 0
	}
	return uint32(v)
}

// walk looks for all sockets without an owner among all processes, the lowest pid first, until each is found.
func (s *socketOwners) walk(ctx context.Context, now time.Time) error {
	clear(s.wanted)
	for _, o := range s.live {
		if o.process == nil {
			s.wanted[o.inode] = o
		}
	}
	s.walks++
	pids, err := s.dir.pids(s.pids[:0])
	s.pids = pids
	if err != nil {
		return err
	}
	closed := 0
	for i, pid := range pids {
		if i%64 == 63 && ctx.Err() != nil {
			return fmt.Errorf("look for owners of sockets: %w", context.Cause(ctx))
		}
		if err := s.search(pid); err != nil && !gone(err) {
			closed++
		}
		if len(s.wanted) == 0 {
			return nil
		}
	}
	s.closed = closed
	for _, o := range s.wanted {
		o.tried = now
	}
	return nil
}

// search takes what is wanted from among one process's descriptors.
func (s *socketOwners) search(pid int) error {
	dir, err := s.dir.openFile(pid, "fd", unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir) //nolint:errcheck // nothing was written
	s.fds, err = listNumbers(dir, s.dir.dent, s.fds[:0])
	if err != nil {
		return err
	}
	var number [20]byte
	for _, fd := range s.fds {
		inode := s.socketAt(dir, string(strconv.AppendInt(number[:0], int64(fd), 10)))
		o := s.wanted[inode]
		if inode == 0 || o == nil {
			continue
		}
		p := s.process(pid)
		o.process, o.fd = p, fd
		s.hold(o, p)
		delete(s.wanted, inode)
		if len(s.wanted) == 0 {
			break
		}
	}
	return nil
}

// process finds or makes the entry of a process that was just seen to hold a socket.
func (s *socketOwners) process(pid int) *ownerProcess {
	if p := s.procs[pid]; p != nil {
		// An entry of an earlier process of this number: it holds nothing any more, or it would have been found alive.
		if p.dir < 0 || unix.Faccessat(p.dir, "stat", unix.F_OK, 0) == nil {
			return p
		}
		s.drop(p)
	}
	p := &ownerProcess{pid: pid, dir: -1}
	if s.budget > 0 {
		if fd, err := s.dir.openFile(pid, "", unix.O_DIRECTORY); err == nil {
			p.dir = fd
			s.budget--
		}
	}
	s.procs[pid] = p
	s.readName(p)
	return p
}

func (s *socketOwners) drop(p *ownerProcess) {
	if p.dir >= 0 {
		unix.Close(p.dir) //nolint:errcheck // nothing was written
		p.dir = -1
		s.budget++
	}
	delete(s.procs, p.pid)
}

// sweep lets go of processes that hold nothing.
func (s *socketOwners) sweep() {
	for _, p := range s.procs {
		holds := false
		if p.round == s.round {
			for _, o := range p.sockets {
				if o.process == p {
					holds = true
					break
				}
			}
		}
		if !holds {
			s.drop(p)
		}
	}
}

// rename reads a few owners' names again, as a process may change its own.
func (s *socketOwners) rename() {
	n := len(s.owners)
	for i := range min(renameOwners, n) {
		s.readName(s.owners[(int(s.round)*renameOwners+i)%n])
	}
}

func (s *socketOwners) readName(p *ownerProcess) {
	var st procStat
	line, err := s.dir.readFile(p.pid, "stat", s.buf)
	if err != nil || parseProcStat(line, &st) != nil {
		return
	}
	if len(st.comm) != 0 && len(st.comm) != commLength {
		if string(st.comm) != p.name { // compared without making a string
			p.name = cleanName(st.comm)
		}
		return
	}
	comm := append([]byte(nil), st.comm...)
	p.name = processName(comm, func() []byte {
		b, _ := s.dir.readFile(p.pid, "cmdline", s.buf) // it ended meanwhile: comm will do
		return b
	})
}

func (s *socketOwners) close() {
	for _, p := range s.procs {
		s.drop(p)
	}
	clear(s.byInode)
	s.dir.close()
}
