package api

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Codes and classes of afunix.h, mstcpip.h and iphlpapi.h.
const (
	unixPeerPID    = 0x58000100 // SIO_AF_UNIX_GETPEERPID
	tcpInfoControl = 0xD8000027 // SIO_TCP_INFO, Windows 10 1703 and later
	connectionsPID = 4          // TCP_TABLE_OWNER_PID_CONNECTIONS

	winEstablished, winCloseWait = 4, 7 // TCPSTATE, another numbering than MIB_TCP_STATE
)

// trustedPeer asks the system which process opened the other end of a unix socket, and whether it is our own user's.
func trustedPeer(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var pid uint32
	if err := controlSocket(raw, unixPeerPID, nil, (*[4]byte)(unsafe.Pointer(&pid))[:]); err != nil {
		return false
	}
	same, err := ofOurUser(pid, func() bool { return true })
	return err == nil && same
}

// controlSocket runs one of the socket's WSAIoctl codes.
func controlSocket(raw interface {
	Control(f func(fd uintptr)) error
}, code uint32, in, out []byte,
) error {
	var inner error
	err := raw.Control(func(fd uintptr) {
		var n uint32
		inner = windows.WSAIoctl(windows.Handle(fd), code, unsafe.SliceData(in), uint32(len(in)), unsafe.SliceData(out), uint32(len(out)), &n, nil, 0)
	})
	if err := errors.Join(err, inner); err != nil {
		return fmt.Errorf("ask the socket (control %#x): %w", code, err)
	}
	return nil
}

// owners reads the system's table of TCP connections and the tokens of processes. The zero value is ready, and safe for
// concurrent use.
type owners struct {
	once  sync.Once
	table *windows.LazyProc
}

// same says whether the process that has the socket at theirs that is connected to ours, which is c, runs as our user with no
// less integrity: a sandboxed or not elevated process of our user must not borrow what an elevated server may do. It reads the
// whole table, whose size goes with the number of connections. It is false, without an error, for a peer that has gone.
func (o *owners) same(c *net.TCPConn, ours, theirs netip.AddrPort) (bool, error) {
	pid, err := o.pid(theirs, ours)
	if err != nil || pid == 0 {
		return false, err
	}
	// Asked again while the process cannot vanish: the number is not one that a later process was given.
	same, err := ofOurUser(pid, func() bool {
		again, err := o.pid(theirs, ours)
		return err == nil && again == pid
	})
	if err != nil || !same {
		return false, err
	}
	return stillOpen(c)
}

func (*owners) close() {}

// pid finds the process of a connection; 0 when there is none.
func (o *owners) pid(local, remote netip.AddrPort) (uint32, error) {
	if local.Addr().Is4() {
		table, err := o.read(windows.AF_INET)
		if err != nil {
			return 0, err
		}
		if pid, err := pidOfConnection(table, false, local, remote); pid != 0 || err != nil {
			return pid, err
		}
	}
	// IPv4 spoken by a socket of IPv6 may stand here.
	table, err := o.read(windows.AF_INET6)
	if err != nil {
		return 0, err
	}
	return pidOfConnection(table, true, local, remote)
}

func (o *owners) read(family uintptr) ([]byte, error) {
	o.once.Do(func() { o.table = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable") })
	if err := o.table.Find(); err != nil {
		return nil, fmt.Errorf("find GetExtendedTcpTable: %w", err)
	}
	size := uint32(64 << 10)
	for range 8 { // it grows while we ask
		buf := make([]byte, size)
		code, _, _ := o.table.Call(uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0, family, connectionsPID, 0)
		switch windows.Errno(code) {
		case 0:
			return buf, nil
		case windows.ERROR_INSUFFICIENT_BUFFER:
			size += size / 4
		default:
			return nil, fmt.Errorf("list connections: %w", windows.Errno(code))
		}
	}
	return nil, errors.New("list connections: they grow faster than they can be read")
}

// ofOurUser says whether a process runs as our user with no less integrity than we, and sure still says so while the process is
// held open. A process that we may not look at is not ours.
func ofOurUser(pid uint32, sure func() bool) (bool, error) {
	if pid == uint32(os.Getpid()) { //nolint:gosec // a pid has 32 bits
		return true, nil
	}
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return false, nil //nolint:nilerr // gone, or somebody else's
	}
	defer windows.CloseHandle(h) //nolint:errcheck // nothing depends on it
	var theirs windows.Token
	if err := windows.OpenProcessToken(h, windows.TOKEN_QUERY, &theirs); err != nil {
		return false, nil //nolint:nilerr // somebody else's
	}
	defer theirs.Close() //nolint:errcheck // nothing depends on it
	ours := windows.GetCurrentProcessToken()
	them, err := theirs.GetTokenUser()
	if err != nil {
		return false, fmt.Errorf("read the user of process %d: %w", pid, err)
	}
	us, err := ours.GetTokenUser()
	if err != nil {
		return false, fmt.Errorf("read our user: %w", err)
	}
	if !us.User.Sid.Equals(them.User.Sid) {
		return false, nil
	}
	theirLevel, err := integrity(theirs)
	if err != nil {
		return false, err
	}
	ourLevel, err := integrity(ours)
	if err != nil {
		return false, err
	}
	return theirLevel >= ourLevel && sure(), nil
}

// integrity returns the level of a token: 0x1000 low, 0x2000 medium, 0x3000 high (elevated), 0x4000 system.
func integrity(t windows.Token) (uint32, error) {
	var n uint32
	buf := make([]uint64, 16) // aligned for the struct; a label and its SID take 28 bytes
	err := windows.GetTokenInformation(t, windows.TokenIntegrityLevel, (*byte)(unsafe.Pointer(&buf[0])), uint32(len(buf)*8), &n)
	if err != nil {
		return 0, fmt.Errorf("read the integrity level of a token: %w", err)
	}
	sid := (*windows.Tokenmandatorylabel)(unsafe.Pointer(&buf[0])).Label.Sid
	if sid == nil || sid.SubAuthorityCount() == 0 {
		return 0, errors.New("read the integrity level of a token: it has none")
	}
	return sid.SubAuthority(uint32(sid.SubAuthorityCount()) - 1), nil
}

// stillOpen says that our end of the connection is established, or half closed by the peer: otherwise the one that was found
// may be another process' that was given the port since.
func stillOpen(c *net.TCPConn) (bool, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, fmt.Errorf("use the socket: %w", err)
	}
	var version [4]byte // 0
	var info [88]byte   // TCP_INFO_v0, its State first
	if err := controlSocket(raw, tcpInfoControl, version[:], info[:]); err != nil {
		return false, err
	}
	return info[0] == winEstablished || info[0] == winCloseWait, nil
}
