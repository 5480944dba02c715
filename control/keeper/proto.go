package keeper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"controlcenter/control"
)

// protocol is the version of what is said over the socket. A daemon that speaks a newer one first replaces the keeper's binary;
// one that speaks an older one refuses to talk.
const protocol = 1

// maxFrame bounds one message: the environment and arguments of a process are at most 2 MiB on Linux, more in JSON.
const maxFrame = 16 << 20

// Requests of a daemon, and what the keeper sends by itself.
const (
	opHello   = "hello"
	opLaunch  = "launch"
	opSignal  = "signal"
	opKill    = "kill"
	opHold    = "hold"
	opRuns    = "runs"
	opAck     = "ack"
	opCounts  = "counts"
	opAdopt   = "adopt"   // with the descriptors of a run of a keeper that is no more
	opGiven   = "given"   // it has handed over all it holds
	opReaped  = "reaped"  // the daemon was the parent of a run and learned how it ended
	opUpgrade = "upgrade" // go on as another binary
	opQuit    = "quit"    // end, if nothing runs

	pushExit = "exit"
	pushRun  = "run" // with the descriptors of a run that began
)

// message is one frame, in either direction. Which fields are set depends on Op.
type message struct {
	ID    uint64     `json:"id,omitempty"` // of a request and its answer
	Op    string     `json:"op,omitempty"`
	Error *wireError `json:"error,omitempty"`
	FDs   []string   `json:"fds,omitempty"` // what the descriptors that come with it are: out, err, pid

	Protocol int       `json:"protocol,omitempty"`
	Build    string    `json:"build,omitempty"`
	PID      int       `json:"pid,omitempty"`
	BootID   string    `json:"boot_id,omitempty"`
	Started  time.Time `json:"started,omitzero"`

	Launch  *control.LaunchSpec `json:"launch,omitempty"`
	Run     string              `json:"run,omitempty"`
	Service string              `json:"service,omitempty"`
	Signal  string              `json:"signal,omitempty"`
	Tree    bool                `json:"tree,omitempty"`
	Path    string              `json:"path,omitempty"`
	Mine    bool                `json:"mine,omitempty"`   // adopt: the daemon is the parent
	Status  *ending             `json:"status,omitempty"` // reaped, and adopt if it is known by then

	State  *control.RunState            `json:"state,omitempty"`
	States []control.RunState           `json:"states,omitempty"`
	Exit   *control.Exit                `json:"exit,omitempty"`
	Counts map[string]control.LogCounts `json:"counts,omitempty"`
}

// wireError is an error as it travels.
type wireError struct {
	Text      string `json:"text"`
	Certain   bool   `json:"certain,omitempty"` // a control.LaunchError: nothing was started
	Temporary bool   `json:"temporary,omitempty"`
	Full      bool   `json:"full,omitempty"`
}

func wire(err error) *wireError {
	if err == nil {
		return nil
	}
	if l, ok := errors.AsType[*control.LaunchError](err); ok {
		return &wireError{l.Reason, true, l.Temporary, l.Full || errors.Is(l.Cause, syscall.ENOSPC)}
	}
	return &wireError{Text: err.Error()}
}

func (w *wireError) err() error {
	switch {
	case w == nil:
		return nil
	case w.Certain:
		return &control.LaunchError{Reason: w.Text, Temporary: w.Temporary, Full: w.Full}
	}
	return errors.New(w.Text)
}

// ending is how a process ended, as its parent learned it.
type ending struct {
	Code   *int          `json:"code,omitempty"`
	Signal string        `json:"signal,omitempty"`
	Usage  control.Usage `json:"usage,omitzero"`
}

func (e *ending) unknown() bool { return e == nil || e.Code == nil && e.Signal == "" }

// conn frames messages on a unix socket: four bytes of length, JSON. Descriptors travel with the first byte of their frame, so
// they are there at the latest when the frame is.
type conn struct {
	nc *net.UnixConn

	wmu  sync.Mutex
	wbuf []byte

	rbuf []byte // read and not yet used
	fds  []int  // received and not yet used
	tmp  []byte
}

func newConn(nc *net.UnixConn) *conn { return &conn{nc: nc, tmp: make([]byte, 4096)} }

// writeTimeout bounds how long a peer may not read; it is then taken for dead.
const writeTimeout = 10 * time.Second

// send writes one message with its descriptors. After an error the connection is closed: half a frame may be out.
func (c *conn) send(m *message, files ...*os.File) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(body) > maxFrame {
		return fmt.Errorf("message of %d bytes is larger than %d", len(body), maxFrame)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.wbuf = binary.BigEndian.AppendUint32(c.wbuf[:0], uint32(len(body))) //nolint:gosec // bounded above
	c.wbuf = append(c.wbuf, body...)
	if err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return c.broken(err)
	}
	if err := c.write(c.wbuf, files); err != nil {
		return c.broken(err)
	}
	if cap(c.wbuf) > 64<<10 {
		c.wbuf = nil // a large message is rare: the keeper does not hold its memory
	}
	return nil
}

func (c *conn) broken(err error) error {
	_ = c.nc.Close()
	return fmt.Errorf("write to peer: %w", err)
}

// receive returns the next message and the descriptors that came with it, which the caller closes. They are bare numbers: a file
// made of one wakes this process whenever somebody writes into the pipe, and the daemon only keeps them.
func (c *conn) receive() (*message, []int, error) {
	for {
		if len(c.rbuf) >= 4 {
			size := int(binary.BigEndian.Uint32(c.rbuf))
			if size > maxFrame {
				return nil, nil, fmt.Errorf("peer sends a message of %d bytes, more than %d", size, maxFrame)
			}
			if len(c.rbuf) >= 4+size {
				m := &message{}
				if err := json.Unmarshal(c.rbuf[4:4+size], m); err != nil {
					return nil, nil, fmt.Errorf("decode message: %w", err)
				}
				if c.rbuf = c.rbuf[4+size:]; len(c.rbuf) == 0 {
					c.rbuf = nil
				}
				if len(m.FDs) > len(c.fds) {
					return nil, nil, fmt.Errorf("message %s came with %d of %d descriptors", m.Op, len(c.fds), len(m.FDs))
				}
				fds := c.fds[:len(m.FDs):len(m.FDs)]
				c.fds = c.fds[len(m.FDs):]
				return m, fds, nil
			}
		}
		n, err := c.read(c.tmp)
		c.rbuf = append(c.rbuf, c.tmp[:n]...)
		if err != nil {
			if errors.Is(err, io.EOF) && len(c.rbuf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, nil, err
		}
	}
}

// close ends the connection.
func (c *conn) close() {
	_ = c.nc.Close()
}

// dropRest closes descriptors that came with a frame which never was whole. Only who receives may call it.
func (c *conn) dropRest() {
	closeFDs(c.fds...)
	c.fds = nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
