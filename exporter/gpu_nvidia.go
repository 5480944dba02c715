package exporter

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	smiBackoffFirst = time.Second
	smiBackoffMost  = 5 * time.Minute
	smiAppsPatience = 10 * time.Minute // the query for processes may have nothing to say, so its silence is no sign
	smiLineMost     = 4096             // bytes of a line that are kept
)

var (
	errSMISilent = errors.New("nvidia-smi printed no reading for three intervals and was ended")
	errSMINone   = errors.New("nvidia-smi found no device")
)

// smi keeps two nvidia-smi running, which print the GPUs and their processes once per interval, as starting one costs
// hundreds of milliseconds of CPU. Each belongs to one goroutine, which starts it again when it ends (with growing pauses) or
// kills it when it falls silent. Any number of goroutines may call latest.
type smi struct {
	path     string
	interval time.Duration
	backoff  time.Duration // first pause
	log      *slog.Logger
	cancel   context.CancelFunc
	owners   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when gpus or err changes
	gpus    []GPU
	uuids   []string
	at      time.Time // of gpus
	err     error     // why there are no newer ones, nil while all is well
	apps    map[smiAppKey]smiApp
	appsEnd context.CancelCauseFunc // ends the query for processes that runs now
	bad     int                     // lines that were not understood
}

type smiAppKey struct {
	uuid string
	pid  int
}

// startSMI starts the helpers; end must be called.
func startSMI(path string, interval, backoff time.Duration, log *slog.Logger) *smi {
	ctx, cancel := context.WithCancel(context.Background())
	s := &smi{
		path: path, interval: interval, backoff: backoff, log: log, cancel: cancel,
		changed: make(chan struct{}), apps: map[smiAppKey]smiApp{},
	}
	seconds := strconv.Itoa(max(1, int((interval+time.Second/2)/time.Second)))
	s.owners.Go(func() {
		var round smiRound
		s.keep(ctx, 3*interval, func() { round = smiRound{} }, func(line string) bool { return s.gpuLine(&round, line) }, s.gpusEnded,
			"--query-gpu="+smiGPUFields, "--format=csv,noheader,nounits", "-l", seconds)
	})
	s.owners.Go(func() {
		s.keep(ctx, max(smiAppsPatience, 3*interval), func() {}, s.appLine, func(error) {},
			"--query-compute-apps="+smiAppFields, "--format=csv,noheader,nounits", "-l", seconds)
	})
	return s
}

// end kills the helpers and waits for them, three seconds at most: one that hangs in its driver cannot be killed.
func (s *smi) end() error {
	s.cancel()
	done := make(chan struct{})
	go func() { s.owners.Wait(); close(done) }()
	timeout := time.NewTimer(3 * time.Second)
	defer timeout.Stop()
	select {
	case <-done:
		return nil
	case <-timeout.C:
		return errors.New("nvidia-smi does not end")
	}
}

// latest returns the newest complete round with its processes. When that is older than three intervals it waits for a newer
// one until ctx ends or a helper's failure is known, and returns that failure.
func (s *smi) latest(ctx context.Context) ([]GPU, error) {
	for {
		s.mu.Lock()
		list, err, changed := s.currentLocked(time.Now()), s.err, s.changed
		s.mu.Unlock()
		switch {
		case list != nil:
			return list, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errors.New("nvidia-smi has not answered yet")
		}
	}
}

// currentLocked is a copy of the newest round if it may still be shown.
func (s *smi) currentLocked(now time.Time) []GPU {
	if s.gpus == nil || now.Sub(s.at) > 3*s.interval {
		return nil
	}
	list := slices.Clone(s.gpus)
	for key, a := range s.apps {
		if now.Sub(a.at) > 2*s.interval {
			delete(s.apps, key)
			continue
		}
		if i := slices.Index(s.uuids, key.uuid); i >= 0 {
			list[i].Processes = append(list[i].Processes, a.process)
		}
	}
	for i := range list {
		slices.SortFunc(list[i].Processes, func(a, b GPUProcess) int { return cmp.Compare(a.PID, b.PID) })
	}
	return list
}

// gpuLine takes a line of the query for GPUs and says whether it was one.
func (s *smi) gpuLine(round *smiRound, line string) bool {
	g, err := parseSMIGPU(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad++
		return false
	}
	if done, uuids := round.add(g); done != nil {
		s.gpus, s.uuids, s.at, s.err = done, uuids, time.Now(), nil
		s.tellLocked()
	}
	return true
}

func (s *smi) appLine(line string) bool {
	uuid, p, err := parseSMIApp(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.bad++
	case len(s.apps) < 10_000: // bounded, whatever it prints
		s.apps[smiAppKey{uuid, p.PID}] = smiApp{p, time.Now()}
	default:
		maps.DeleteFunc(s.apps, func(_ smiAppKey, a smiApp) bool { return time.Since(a.at) > 2*s.interval })
	}
	return err == nil
}

func (s *smi) gpusEnded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if errors.Is(err, errSMISilent) && s.appsEnd != nil {
		s.appsEnd(errSMISilent) // what stopped the one has stopped the other
	}
	s.tellLocked()
}

func (s *smi) tellLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// keep runs one helper again and again until ctx ends. It stays on one thread, so that the kernel ends the helper when this
// program is killed, and not before.
func (s *smi) keep(ctx context.Context, patience time.Duration, begin func(), line func(string) bool, ended func(error), args ...string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pause := s.backoff
	for {
		begin()
		lines, err := s.runOnce(ctx, patience, line, args)
		if ctx.Err() != nil {
			return
		}
		if lines > 0 {
			pause = s.backoff
		}
		ended(err)
		s.log.Debug("nvidia-smi ended", "query", args[0], "err", err, "lines", lines, "pause_seconds", pause.Seconds())
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
		pause = min(2*pause, smiBackoffMost)
	}
}

// runOnce runs a helper until it ends, falls silent or ctx ends, and says how many readings it printed. The error is never nil.
func (s *smi) runOnce(ctx context.Context, patience time.Duration, line func(string) bool, args []string) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(patience, func() { cancel(errSMISilent) })
	defer silence.Stop()
	if strings.HasPrefix(args[0], "--query-compute") {
		s.mu.Lock()
		s.appsEnd = cancel
		s.mu.Unlock()
	}
	cmd := exec.CommandContext(ctx, s.path, args...)
	good := 0
	out := &lineWriter{line: func(l string) {
		if line(l) {
			good++
			silence.Reset(patience)
		}
	}}
	var complaint tailWriter
	cmd.Stdout, cmd.Stderr = out, &complaint
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	ownGroup(cmd)
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	out.flush()
	text := strings.TrimSpace(out.last + " " + string(complaint.tail))
	switch {
	case context.Cause(ctx) != nil && errors.Is(context.Cause(ctx), errSMISilent):
		return good, errSMISilent
	case strings.Contains(text, "No devices were found"):
		return good, errSMINone
	case err == nil:
		return good, errors.New("nvidia-smi ended by itself")
	default:
		return good, fmt.Errorf("run nvidia-smi: %w: %.300s", err, text)
	}
}

// lineWriter hands complete lines on.
type lineWriter struct {
	line func(string)
	part []byte
	last string // the last line
}

func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		head, rest, whole := bytes.Cut(b, []byte("\n"))
		if room := smiLineMost - len(w.part); room > 0 {
			w.part = append(w.part, head[:min(room, len(head))]...)
		}
		if whole {
			w.flush()
		}
		b = rest
	}
	return n, nil
}

func (w *lineWriter) flush() {
	if s := strings.TrimRight(string(w.part), "\r"); strings.TrimSpace(s) != "" {
		w.last = s
		w.line(s)
	}
	w.part = w.part[:0]
}

// tailWriter keeps the last few hundred bytes.
type tailWriter struct{ tail []byte }

func (w *tailWriter) Write(b []byte) (int, error) {
	const most = 512
	w.tail = append(w.tail, b...)
	if len(w.tail) > most {
		w.tail = append(w.tail[:0], w.tail[len(w.tail)-most:]...)
	}
	return len(b), nil
}
