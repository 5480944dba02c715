package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// logVariant is one way to keep what a service writes as fast as it can.
type logVariant struct {
	id, rotate string
	ours       bool // others cannot, or do always
}

var logVariants = []logVariant{{id: "lines"}, {id: "whole", rotate: "never", ours: true}, {id: "packed", rotate: "zstd", ours: true}}

// pipe has a service write lines as fast as they are taken, until the last is in its log.
func pipe(ctx context.Context, o *options, s *stand, f *figures, v logVariant) error {
	procs := s.m.all()
	before := cpu(procs)
	if err := s.m.begin(ctx, v.id); err != nil {
		return fmt.Errorf("start %s: %w", v.id, err)
	}
	c, err := s.bell.up(ctx, v.id, "main", 0, 30*time.Second)
	if err != nil {
		return err
	}
	if err := s.bell.until(ctx, 2*time.Minute, "end of lines", func() bool { return c.said["done"] != 0 || c.gone }); err != nil {
		return err
	}
	s.bell.mu.Lock()
	end := c.said["done"]
	s.bell.mu.Unlock()
	if end == 0 {
		return errors.New("the writer of lines died")
	}
	// What is still in buffers is in the log when its files no longer change.
	for size, same := int64(-1), 0; same < 4; {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		sum, last := int64(0), time.Time{}
		for _, file := range s.m.logs(v.id) {
			if st, err := os.Stat(file); err == nil {
				sum += st.Size()
				if st.ModTime().After(last) {
					last = st.ModTime()
				}
			}
		}
		if sum != size {
			size, same = sum, 0
			continue
		}
		same++
		end = max(end, now()-time.Since(last).Nanoseconds())
	}
	// The processes of a logger may be new; those of before are in before.
	used := cpu(s.m.all()) - before
	bytes := float64(o.megabytes) * 1e6
	f.add(v.id+" MB/s", bytes/1e6/(float64(end-c.at)/1e9))
	f.add(v.id+" cpu", used.Seconds()/(bytes/1e8))
	if v.rotate == "zstd" {
		return nil // what packing loses is a matter of tests
	}
	count := &counter{}
	files := 0
	for _, file := range s.m.logs(v.id) {
		if err := readLines(file, count.line); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		files++
	}
	f.add(v.id+" lost", float64(o.megabytes*10_000-count.good))
	f.add(v.id+" torn", float64(count.torn))
	f.add(v.id+" files", float64(files))
	return nil
}

// counter checks lines that begin with their number.
type counter struct{ good, torn, last int }

func (c *counter) line(text []byte) {
	if len(text) != 99 || text[12] != ' ' || bytes.Count(text[13:], []byte("x")) != 86 {
		c.torn++
		return
	}
	n, err := strconv.Atoi(string(text[:12]))
	if err != nil || n <= c.last { // twice or out of order counts as torn
		c.torn++
		return
	}
	c.last = n
	c.good++
}

// readLines gives the lines of a log as the service wrote them: ours without their prefix, with parts joined.
func readLines(path string, take func([]byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReaderSize(f, 1<<20)
	var part []byte
	for {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", path, err)
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		if len(text) >= 37 && text[26] == 'Z' && text[27] == ' ' && text[34] == ' ' {
			stream, flag := string(text[28:34]), text[35]
			if stream == "keeper" {
				continue
			}
			if text = text[37:]; flag == 'P' {
				part = append(part, text...)
				continue
			}
			if part != nil {
				text = append(part, text...)
				part = nil
			}
		}
		take(text)
	}
}

// ticks counts what is missing in the logs of the services that write a line now and then, over all their processes.
func ticks(s *stand) (lost, torn int, err error) {
	last := map[string]int{}
	for i := range crashing {
		for _, file := range s.m.logs(fmt.Sprintf("c%d", i)) {
			err := readLines(file, func(text []byte) {
				f := bytes.Fields(text)
				if len(f) != 6 || string(f[0]) != "tick" || string(f[5]) != "well" {
					if len(bytes.TrimSpace(text)) > 0 {
						torn++
					}
					return
				}
				n, _ := strconv.Atoi(string(f[2]))
				if pid := string(f[1]); n > last[pid] {
					lost += n - last[pid] - 1
					last[pid] = n
				}
			})
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return 0, 0, err
			}
		}
	}
	return lost, torn, nil
}
