package api

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"time"

	"controlcenter/control"
)

// shownServices keeps the encoded form of each service: a status is immutable, so it is encoded once, and only the seconds it
// is up are put in anew. By reflection a list of 200 services would cost many times as much. The zero value is ready.
type shownServices struct {
	mu sync.Mutex
	by map[string]shownService
}

// shownService is an encoded status, cut in two where the seconds belong.
type shownService struct {
	status *control.Status
	parts  [2][]byte
}

// uptimeField stands before last_run_time in the object; in a text of the service the quotes would be escaped.
const uptimeField, uptimeNext = `"uptime_seconds":`, `,"last_run_time":`

// append writes the services of a list, separated by commas. total is how many services there are in all.
func (c *shownServices) append(out []byte, list []*control.Status, total int, now time.Time) []byte {
	encoded, size := c.encoded(list, total)
	out = slices.Grow(out, size)
	for i := range encoded {
		if i > 0 {
			out = append(out, ',')
		}
		e := &encoded[i]
		seconds := int64(0)
		if e.status.PID != 0 {
			seconds = max(int64(now.Sub(e.status.StartedAt).Seconds()), 0)
		}
		out = append(out, e.parts[0]...)
		out = strconv.AppendInt(out, seconds, 10)
		out = append(out, e.parts[1]...)
	}
	return out
}

// encoded returns the list encoded, and about how many bytes it is together.
func (c *shownServices) encoded(list []*control.Status, total int) (found []shownService, size int) {
	const more = 16 // comma, seconds; what stands around the list
	found, size = make([]shownService, len(list)), 16*more
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil || len(c.by) > 2*total+16 { // some have been removed
		c.by = make(map[string]shownService, total)
	}
	for i, st := range list {
		e := c.by[st.Key]
		if e.status != st {
			e = encodeService(st)
			c.by[st.Key] = e
		}
		found[i] = e
		size += len(e.parts[0]) + len(e.parts[1]) + more
	}
	return found, size
}

func encodeService(st *control.Status) shownService {
	text, err := encode(st.Object(st.StartedAt)) // 0 seconds after its start
	if err != nil {
		return shownService{st, [2][]byte{[]byte(`{"uptime_seconds":`), []byte(`}`)}} // cannot happen: plain structs
	}
	head, tail, _ := bytes.Cut(text, []byte(uptimeField+"0"+uptimeNext))
	return shownService{st, [2][]byte{append(head, uptimeField...), append([]byte(uptimeNext), tail...)}}
}

// listOf returns a function that encodes all services of a manager as they are at a time.
func (c *shownServices) listOf(m *control.Manager) func(out []byte, now time.Time) []byte {
	return func(out []byte, now time.Time) []byte {
		all := m.List()
		return c.append(out, all, len(all), now)
	}
}
