package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// now is CLOCK_MONOTONIC, the clock the children tell.
func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// child is a process that has rung.
type child struct {
	id, label string // of the service, and which process of it
	pid       int
	at        int64 // when its main function began

	conn net.Conn
	gone bool             // its connection has ended
	said map[string]int64 // what it told later, and when
}

// bell is where children ring.
type bell struct {
	path string
	l    net.Listener

	mu       sync.Mutex
	children []*child
	change   chan struct{} // closed at each
}

func newBell(path string) (*bell, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	b := &bell{path: path, l: l, change: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.listen(c)
		}
	}()
	return b, nil
}

// close ends all children that still live.
func (b *bell) close() {
	_ = b.l.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.children {
		_ = c.conn.Close()
	}
}

func (b *bell) changedLocked() {
	close(b.change)
	b.change = make(chan struct{})
}

func (b *bell) listen(conn net.Conn) {
	var c *child
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var id, label string
		var pid int
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &id, &label, &pid, &at); err != nil {
			break
		}
		b.mu.Lock()
		if c == nil {
			c = &child{id: id, label: label, pid: pid, at: at, conn: conn, said: map[string]int64{}}
			b.children = append(b.children, c)
		} else if c.said[label] == 0 {
			c.said[label] = at
		}
		b.changedLocked()
		b.mu.Unlock()
	}
	_ = conn.Close()
	if c != nil {
		b.mu.Lock()
		c.gone = true
		b.changedLocked()
		b.mu.Unlock()
	}
}

// until waits until a question about the children has a positive answer. It is asked with the lock held.
func (b *bell) until(ctx context.Context, limit time.Duration, what string, ask func() bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		b.mu.Lock()
		yes, change := ask(), b.change
		b.mu.Unlock()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return fmt.Errorf("no %s within %v", what, limit)
		case <-change:
		}
	}
}

// newestLocked returns the last process of that label that began after a time, nil for none.
func (b *bell) newestLocked(id, label string, after int64) *child {
	for i := len(b.children) - 1; i >= 0; i-- {
		if c := b.children[i]; c.id == id && c.label == label && c.at > after {
			return c
		}
	}
	return nil
}

// up waits for a process that began after a time.
func (b *bell) up(ctx context.Context, id, label string, after int64, limit time.Duration) (c *child, err error) {
	err = b.until(ctx, limit, label+" of "+id, func() bool {
		c = b.newestLocked(id, label, after)
		return c != nil
	})
	return c, err
}

// alive returns the processes of a service that live, by label.
func (b *bell) alive(id string) []*child {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*child
	for _, c := range b.children {
		if c.id == id && !c.gone {
			all = append(all, c)
		}
	}
	return all
}

// fleet waits until n services whose name begins so have a process that began after a time, and returns when each began.
func (b *bell) fleet(ctx context.Context, prefix string, n int, after int64, limit time.Duration) (map[string]*child, error) {
	first := map[string]*child{}
	seen := 0
	err := b.until(ctx, limit, fmt.Sprintf("%d processes", n), func() bool {
		for ; seen < len(b.children); seen++ {
			if c := b.children[seen]; c.label == "main" && c.at > after && strings.HasPrefix(c.id, prefix) && first[c.id] == nil {
				first[c.id] = c
			}
		}
		return len(first) >= n
	})
	if err != nil {
		err = fmt.Errorf("%w: %d came", err, len(first))
	}
	return first, err
}
