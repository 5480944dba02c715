//go:build unix

package keeper

import (
	"bytes"
	"errors"
	"math"
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

// move reads a pipe until its end, or until it is told to stop by a deadline. When that is because its run is over, what is in
// the pipe comes along, however late this goroutine gets its turn.
func (k *keeper) move(r *run, f *os.File, i int, stream logs.Stream) {
	svc := k.serviceOf(r.service)
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	if rest := r.rest[i]; rest != nil {
		r.rest[i] = nil
		if !k.insist(r, svc, stream, i, rest) && !r.isOver() {
			return
		}
	}
	grown, full := false, 0
	read, left := raw.Read, math.MaxInt
	for left > 0 {
		b, err := k.receive(read)
		if errors.Is(err, os.ErrDeadlineExceeded) && r.isOver() {
			// Without waiting, and no more than a pipe holds: a stranger may have the other end and write for ever.
			read, left = func(f func(fd uintptr) bool) error { return raw.Control(func(fd uintptr) { f(fd) }) }, pipeMax
			continue
		}
		if len(b) == 0 {
			return // its end, or its deadline has passed, or it was closed
		}
		left -= len(b)
		if !grown && len(b) >= pipeSize {
			if full++; full > 4 {
				grown = true
				growPipe(f)
			}
		}
		rest := bytes.Clone(svc.take(stream, b))
		k.buffers <- b[:cap(b)]
		if len(rest) > 0 && !k.insist(r, svc, stream, i, rest) && !r.isOver() {
			return
		}
	}
}

// receive reads once, into one of the buffers. Where nothing was read, that is free again.
func (k *keeper) receive(read func(func(fd uintptr) bool) error) (b []byte, err error) {
	err = read(func(fd uintptr) bool {
		buf := <-k.buffers
		n, rerr := unix.Read(int(fd), buf)
		for errors.Is(rerr, unix.EINTR) {
			n, rerr = unix.Read(int(fd), buf)
		}
		if n > 0 {
			b = buf[:n]
			return true
		}
		k.buffers <- buf
		return !errors.Is(rerr, unix.EAGAIN)
	})
	return b, err
}

const (
	pipeSize   = 64 << 10
	pipeMax    = 1 << 20 // of a pipe that was made larger
	retryAfter = 200 * time.Millisecond
)

// insist offers bytes to a log that does not take them until it does; the service waits meanwhile, nobody else. It returns
// false when they were dropped, because the run is over, or put aside for the binary that comes next.
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
