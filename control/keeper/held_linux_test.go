package keeper

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// watched returns the descriptors of this process that wake it: those in its epoll sets.
func watched(t *testing.T) map[int]bool {
	t.Helper()
	all := map[int]bool{}
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		b, _ := os.ReadFile(info) // one that was closed meanwhile
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "tfd:" {
				if n, err := strconv.Atoi(f[1]); err == nil {
					all[n] = true
				}
			}
		}
	}
	return all
}

// What the daemon holds of a run is there for a keeper to come. Were it watched, each line of each service would wake the daemon.
func TestTheDaemonHoldsDescriptorsWithoutWatchingThem(t *testing.T) {
	r := newRig(t)
	l := spec("svc", "sleep", "1000")
	r.launch(l)
	var fds []int
	r.until("pipes and handle are held", func() bool {
		r.client.mu.Lock()
		defer r.client.mu.Unlock()
		fds = fds[:0]
		if h := r.client.held[l.Run]; h != nil {
			for _, fd := range h.fds {
				fds = append(fds, fd)
			}
		}
		return len(fds) == 3
	})
	wake := watched(t)
	if len(wake) == 0 {
		t.Fatal("nothing is watched at all: the connection to the keeper must be")
	}
	open := map[int]uint64{}
	for _, fd := range fds {
		if wake[fd] {
			t.Errorf("descriptor %d is held and watched", fd)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		open[fd] = st.Ino
	}
	if err := r.client.KillTree(r.ctx(), l.Run); err != nil {
		t.Fatal(err)
	}
	r.exit(l.Run)
	for fd, ino := range open {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Ino == ino {
			t.Errorf("descriptor %d of a run that has ended is still open", fd)
		}
	}
}

// A connection that ends within a message leaves nothing of it behind.
func TestDescriptorsOfHalfAMessageAreClosed(t *testing.T) {
	r := newRig(t)
	if _, err := r.client.Runs(r.ctx()); err != nil { // there is a keeper
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	nc, err := dialSocket(r.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var raw int
	if err := descriptorOf(out, func(fd int) { raw = fd }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := nc.WriteMsgUnix([]byte{0, 0, 1, 0, '{'}, unix.UnixRights(raw), nil); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	hangUp(t, nc)
	r.until("nobody reads the pipe", func() bool {
		_, err := in.WriteString("x")
		return errors.Is(err, unix.EPIPE)
	})
}

func descriptorOf(f *os.File, do func(fd int)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { do(int(fd)) })
}

// hangUp ends a connection once the other side has taken what was sent.
func hangUp(t *testing.T, nc *net.UnixConn) {
	t.Helper()
	if err := nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the keeper answered half a message: %d bytes, %v", n, err)
	}
	_ = nc.Close()
}
