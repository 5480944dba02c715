package control

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// notices says whether the service is to be given a notification socket.
func (s *Spec) notices() bool {
	for _, p := range s.Probes.named() {
		if p.spec != nil && p.spec.Notify {
			return true
		}
	}
	return s.Watchdog > 0
}

// socket returns the path of the service's notification socket, "" when it has none.
func (s *service) socket(spec *Spec) string {
	if s.m.o.NotifyDir == "" || !spec.notices() {
		return ""
	}
	return filepath.Join(s.m.o.NotifyDir, s.key+".notify")
}

// listen begins to read the notification socket if the definition asks for one. Each service has its own, so that nobody
// need be asked which service a message is from. The path stays the same for the life of a process that knows it.
func (s *service) listen(ctx context.Context) {
	path := s.socket(s.spec)
	if path == "" || s.listens {
		return
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.m.o.Log.Error("remove old notification socket", "service", s.key, "err", err)
		return
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		s.m.o.Log.Error("listen for notices", "service", s.key, "err", err)
		return
	}
	if err := os.Chmod(path, 0o600); err != nil {
		s.m.o.Log.Error("protect notification socket", "service", s.key, "err", err)
	}
	if err := giveTo(path, s.spec.User); err != nil {
		s.m.o.Log.Error("give notification socket to the service's user", "service", s.key, "err", err)
	}
	s.listens = true
	s.async(func() {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		buf := make([]byte, 4096) // longer messages are cut; those we read are short
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // closed: ctx has ended
			}
			s.heard(string(buf[:n]))
		}
	})
}

// forgetSocket takes the socket away that was listened on. One that a process knows stays: the next daemon listens there.
func (s *service) forgetSocket() {
	if p := s.pub.Load(); s.listens && p != nil && p.status.PID == 0 {
		_ = os.Remove(s.socket(s.spec)) // the next who listens removes what is there
	}
}

// heard takes a message of the running process. Any goroutine may call it.
func (s *service) heard(message string) {
	note := s.said.Load()
	for line := range strings.Lines(message) {
		switch strings.TrimSpace(line) {
		case "READY=1":
			note.ready.Store(true)
		case "WATCHDOG=1":
			note.alive.Store(time.Now().UnixNano())
		}
	}
}
