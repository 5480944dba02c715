//go:build unix

package keeper

import (
	"bytes"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"controlcenter/control/logs"
)

// deadlines says whether reads of pipes can be cut short.
const deadlines = true

// pump moves what a run writes into its log, in a goroutine a stream. A goroutine that waits holds no buffer: there are a few
// for all of them.
func (k *keeper) pump(r *run) {
	for i, f := range []*os.File{r.out, r.err} {
		if f == nil {
			continue
		}
		stream := logs.Stdout
		if i == 1 {
			stream = logs.Stderr
		}
		r.pumps.Add(1)
		go func() {
			defer r.pumps.Done()
			k.move(r, f, i, stream)
		}()
	}
}

// move reads a pipe until its end, or until it is told to stop by a deadline.
func (k *keeper) move(r *run, f *os.File, i int, stream logs.Stream) {
	svc := k.serviceOf(r.service)
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	if rest := r.rest[i]; rest != nil {
		r.rest[i] = nil
		if !k.insist(r, svc, stream, i, rest) {
			return
		}
	}
	grown, full := false, 0
	for {
		var b, buf []byte
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			buf = <-k.buffers
			n, err := unix.Read(int(fd), buf)
			for errors.Is(err, unix.EINTR) {
				n, err = unix.Read(int(fd), buf)
			}
			if errors.Is(err, unix.EAGAIN) {
				k.buffers <- buf
				return false
			}
			b, rerr = buf[:max(n, 0)], err
			return true
		})
		if err != nil {
			return // its deadline has passed, or it was closed
		}
		if rerr != nil || len(b) == 0 {
			k.buffers <- buf
			return
		}
		if !grown && len(b) >= pipeSize {
			if full++; full > 4 {
				grown = true
				growPipe(f)
			}
		}
		rest := svc.take(stream, b)
		if len(rest) == 0 {
			k.buffers <- buf
			continue
		}
		rest = bytes.Clone(rest)
		k.buffers <- buf
		if !k.insist(r, svc, stream, i, rest) {
			return
		}
	}
}

const (
	pipeSize   = 64 << 10
	retryAfter = 200 * time.Millisecond
)

// insist offers bytes to a log that does not take them until it does; the service waits meanwhile, nobody else. It returns
// false when the pump must end: then the bytes were dropped with the run, or put aside for the binary that comes next.
func (k *keeper) insist(r *run, svc *service, stream logs.Stream, i int, rest []byte) bool {
	for {
		if rest = svc.take(stream, rest); len(rest) == 0 {
			return true
		}
		select {
		case <-r.over:
			svc.giveUp(stream, rest)
			return false
		case <-k.freezing():
			r.rest[i] = rest
			return false
		case <-time.After(retryAfter):
		}
	}
}
