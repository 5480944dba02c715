package keeper

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// service is what the keeper knows of a service beside its runs: its log and whether it may restart it.
type service struct {
	k  *keeper
	id string

	mu    sync.Mutex
	w     *logs.Writer // nil while nothing runs
	used  int          // runs that write into it
	drop  bool
	flush *time.Timer // runs while an unfinished line waits
	conf  logs.Settings
	state logs.State // of the writer that was closed last: its counts go on
	fault string

	// Under the keeper's lock.
	held    bool // no restart by ourselves
	streak  int
	pending *time.Timer // a restart to come
}

// serviceOf returns the service, made when it was not known.
func (k *keeper) serviceOf(id string) *service {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.services[id]
	if s == nil {
		s = &service{k: k, id: id}
		k.services[id] = s
	}
	return s
}

func settings(l *control.Logs) logs.Settings {
	return logs.Settings{MaxSize: int64(l.MaxSize), MaxAge: time.Duration(l.MaxAge), Keep: l.Keep}
}

// open makes the files a process writes to: its ends are returned, ours are in the run.
func (s *service) open(r *run) (stdout, stderr *os.File, err error) {
	conf := logs.Settings{}
	if r.spec != nil {
		conf = settings(&r.spec.Logs)
	}
	if err := s.openWriter(conf, r); err != nil {
		return nil, nil, err
	}
	if r.raw {
		// Two descriptors of one file: who closes one must not close the other.
		if stdout, err = duplicate(s.w.File()); err == nil {
			if stderr, err = duplicate(s.w.File()); err == nil {
				return stdout, stderr, nil
			}
			_ = stdout.Close()
		}
		s.close(r)
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	if r.out, stdout, err = os.Pipe(); err == nil {
		if r.err, stderr, err = os.Pipe(); err == nil {
			return stdout, stderr, nil
		}
		closeAll([]*os.File{r.out, stdout})
		r.out = nil
	}
	s.close(r)
	return nil, nil, fmt.Errorf("open pipe: %w", err)
}

// openWriter opens the log for a run.
func (s *service) openWriter(conf logs.Settings, r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.spec != nil {
		s.drop = r.spec.Logs.WhenFull == "drop"
	}
	conf.Raw, conf.Buffers = r.raw, s.k.framing
	if s.w != nil && s.conf.Raw != conf.Raw {
		return errors.New("open log: the last run still writes it in another mode")
	}
	if s.w == nil {
		w, err := logs.OpenWriter(s.k.logDir, s.id, conf)
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		w.Restore(s.state)
		s.w, s.conf = w, conf
	} else if err := s.settle(conf); err != nil {
		return err
	}
	if !r.logged {
		s.used++
		r.logged = true
	}
	return nil
}

// close ends a run's part in the log.
func (s *service) close(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.logged {
		return
	}
	r.logged = false
	if s.used--; s.used > 0 || s.w == nil {
		return
	}
	if err := s.closeLocked(); err != nil {
		s.k.log.Error("close log", "service", s.id, "err", err)
	}
}

func (s *service) closeLocked() error {
	w := s.w
	s.w = nil
	s.flushNever()
	ferr := w.Finish(time.Now())
	s.state = w.State()
	return errors.Join(ferr, w.Close())
}

// settle puts other settings into force for a log that is open.
func (s *service) settle(conf logs.Settings) error {
	conf.Raw, conf.Buffers = s.conf.Raw, s.k.framing
	if err := s.w.SetSettings(conf); err != nil {
		return fmt.Errorf("set up log: %w", err)
	}
	s.conf = conf
	return nil
}

// mark writes a line about the run into the log, in the stream "keeper".
func (s *service) mark(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	if strings.HasPrefix(text, "end ") {
		_ = s.w.Finish(time.Now()) // an error comes again with the mark
	}
	if err := s.w.Mark(text, time.Now()); err != nil {
		s.k.log.Warn("write log", "service", s.id, "err", err)
	}
}

// started notes a run that the daemon, or the keeper itself, has begun.
func (s *service) started(r *run) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if r.gen != 0 {
		s.held, s.streak = false, 0
	}
}

// take hands bytes of a stream to the log and returns those it did not take.
func (s *service) take(stream logs.Stream, b []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return nil // its log could not be opened
	}
	now := time.Now()
	n, err := s.w.Append(stream, b, now)
	if err != nil {
		if s.fault == "" {
			s.k.log.Error("write log", "service", s.id, "err", err)
		}
		s.fault = err.Error()
		if s.drop {
			s.w.Drop(stream, b[n:])
			return nil
		}
		return b[n:]
	}
	s.fault = ""
	s.flushLater()
	return nil
}

// flushAfter is how long an unfinished line may wait for its end.
const flushAfter = 100 * time.Millisecond

// flushLater sees to it that an unfinished line does not wait for ever. The caller holds the lock.
func (s *service) flushLater() {
	if s.flush == nil && s.w != nil && s.w.Pending() {
		s.flush = time.AfterFunc(flushAfter, s.flushPartial)
	}
}

// flushNever is for a writer that is handed over: what waits in it is written by whoever gets it. The caller holds the lock.
func (s *service) flushNever() {
	if s.flush != nil {
		s.flush.Stop()
		s.flush = nil
	}
}

func (s *service) flushPartial() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flush == nil { // it was too late to stop it
		return
	}
	s.flush = nil
	if s.w == nil {
		return
	}
	_ = s.w.Flush(time.Now()) // an error comes again with the next bytes
	s.flushLater()
}

// giveUp drops what the log has not taken when its run is over.
func (s *service) giveUp(stream logs.Stream, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil {
		s.w.Drop(stream, b)
	}
}

func (s *service) counts() control.LogCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	if s.w != nil {
		st = s.w.State()
	}
	return control.LogCounts{Bytes: float64(st.Bytes), Lines: float64(st.Lines), Dropped: float64(st.LostLines), Fault: s.fault}
}
