package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// live knows whose the streams are that are open now, so that they end with the rights of whom they were opened for. The zero
// value is ready.
type live struct {
	mu   sync.Mutex
	next uint64
	by   map[string]map[uint64]func()
}

// watch calls end, once and soon, when the rights of a caller are taken away. The function it returns forgets about it.
func (l *live) watch(c *caller, end func()) (forget func()) {
	subjects := []string{c.id}
	if c.session != "" {
		subjects = append(subjects, "session:"+c.session)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	n := l.next
	for _, s := range subjects {
		if l.by == nil {
			l.by = map[string]map[uint64]func(){}
		}
		if l.by[s] == nil {
			l.by[s] = map[uint64]func(){}
		}
		l.by[s][n] = end
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, s := range subjects {
			if delete(l.by[s], n); len(l.by[s]) == 0 {
				delete(l.by, s)
			}
		}
	}
}

// end ends the streams of a subject.
func (l *live) end(subject string) {
	l.mu.Lock()
	ends := make([]func(), 0, len(l.by[subject]))
	for _, f := range l.by[subject] {
		ends = append(ends, f)
	}
	l.mu.Unlock()
	for _, f := range ends {
		f()
	}
}

// errRevoked ends what was opened with rights that were taken away.
var errRevoked = errors.New("the rights of the caller have ended")

// mayEnd gives long answers a context that ends with the rights of whom they are for. Short ones are over before it matters.
func (s *Server) mayEnd(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		if info.row == nil || !info.row.plain || info.caller.id == "" || info.caller.owner {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer s.live.watch(&info.caller, func() { cancel(errRevoked) })()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
