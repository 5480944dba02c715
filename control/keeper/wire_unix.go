//go:build unix

package keeper

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// write sends bytes, and with the first of them the descriptors.
func (c *conn) write(b []byte, files []*os.File) error {
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			raw, err := f.SyscallConn()
			if err != nil {
				return fmt.Errorf("pass descriptor: %w", err)
			}
			// The number stays valid while f is open, and f is open until this call is over.
			if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
				return fmt.Errorf("pass descriptor: %w", err)
			}
		}
		n, _, err := c.nc.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
		if err != nil {
			return err //nolint:wrapcheck // send says what was being done
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	_, err := c.nc.Write(b)
	return err //nolint:wrapcheck // send says what was being done
}

// read reads bytes and takes up the descriptors that come with them.
func (c *conn) read(b []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(8*4))
	n, oobn, _, _, err := c.nc.ReadMsgUnix(b, oob)
	n, oobn = max(n, 0), max(oobn, 0)
	if oobn > 0 {
		list, perr := unix.ParseSocketControlMessage(oob[:oobn])
		if perr != nil {
			return n, fmt.Errorf("read descriptors: %w", perr)
		}
		for i := range list {
			fds, perr := unix.ParseUnixRights(&list[i])
			if perr != nil {
				continue
			}
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				_ = unix.SetNonblock(fd, true) // what cannot block cannot be polled either, and is then read as it is
				c.fds = append(c.fds, fd)
			}
		}
	}
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err //nolint:wrapcheck // receive's callers say what was being done
}

// filesOf makes files of descriptors that were received.
func filesOf(fds []int) []*os.File {
	files := make([]*os.File, len(fds))
	for i, fd := range fds {
		files[i] = os.NewFile(uintptr(fd), "received") //nolint:gosec // the kernel gave it
	}
	return files
}

func closeFDs(fds ...int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// duplicateFD returns a file of a second descriptor.
func duplicateFD(fd int) (*os.File, error) {
	d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) //nolint:gosec // an open descriptor
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was being done
	}
	return os.NewFile(uintptr(d), "second"), nil //nolint:gosec // the kernel gave it
}
