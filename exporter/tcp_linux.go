package exporter

import (
	"context"
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tcpReader counts sockets by sock_diag, and in /proc/net/tcp where a sandbox has no sock_diag (or a test has its own /proc).
type tcpReader struct {
	diag    sockDiag
	netlink bool
	v4, v6  procFile
}

func newTCPReader(o *Options) *tcpReader {
	return &tcpReader{
		netlink: o.ProcRoot == "/proc",
		v4:      procFile{path: filepath.Join(o.ProcRoot, "net/tcp")},
		v6:      procFile{path: filepath.Join(o.ProcRoot, "net/tcp6")},
	}
}

func (r *tcpReader) close() error { return errors.Join(r.diag.close(), closeAll(&r.v4, &r.v6)) }

func (r *tcpReader) read(ctx context.Context) (*TCP, error) {
	if r.netlink {
		if c, err := r.dump(ctx); err == nil {
			return c.reading(), nil
		} else if ctx.Err() != nil {
			return nil, err
		}
	}
	var c tcpCounts
	b, err := r.v4.read()
	switch {
	case absent(err):
		return nil, ErrNoData
	case err != nil:
		return nil, err
	}
	parseProcTCP(b, &c)
	b, err = r.v6.read()
	switch {
	case absent(err): // no IPv6
	case err != nil:
		return nil, err
	default:
		parseProcTCP(b, &c)
	}
	return c.reading(), nil
}

func (r *tcpReader) dump(ctx context.Context) (c tcpCounts, err error) {
	err = r.diag.dump(unix.AF_UNSPEC, unix.IPPROTO_TCP, allSockStates, func(s diagSocket) error {
		c.add(s.State)
		return ctx.Err()
	})
	return c, err
}

// parseProcTCP counts the rows of /proc/net/tcp: number, local and remote address, state in hex.
func parseProcTCP(b []byte, c *tcpCounts) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		var f [4][]byte
		fieldsInto(f[:], line)
		if n := len(f[0]); n == 0 || f[0][n-1] != ':' || len(f[3]) != 2 {
			continue
		}
		hi, lo := hexDigit(f[3][0]), hexDigit(f[3][1])
		if hi < 16 && lo < 16 {
			c.add(hi<<4 | lo)
		}
	}
}

// hexDigit returns 16 for what is none.
func hexDigit(c byte) uint8 {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}
