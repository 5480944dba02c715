package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errDone = errors.New("test is over")

type (
	fastValue  struct{ n int64 }
	dearValue  struct{ n int64 }
	otherValue struct{ n int64 }
)

// bubble runs f beside a sampler of the given parts, in fake time, and ends the sampler afterwards.
func bubble(t *testing.T, f func(t *testing.T, s *Sampler), sources ...Source) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(DefaultSettings(), slog.New(slog.DiscardHandler))
		s.setSources(sources)
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); !errors.Is(err, errDone) {
				t.Errorf("Run returned %v, want the cause %v", err, errDone)
			}
		})
		f(t, s)
		cancel(errDone)
		wg.Wait()
	})
}

func counting[T any](name string, kind Kind, every time.Duration, reads *atomic.Int64, make func(n int64) *T) *Part[T] {
	return &Part[T]{Name: name, Kind: kind, Every: every, Read: func(context.Context) (*T, error) {
		return make(reads.Add(1)), nil
	}}
}

func fast(reads *atomic.Int64) *Part[fastValue] {
	return counting("fast", Fast, 0, reads, func(n int64) *fastValue { return &fastValue{n} })
}

func dear(reads *atomic.Int64) *Part[dearValue] {
	return counting("dear", Dear, 5*time.Second, reads, func(n int64) *dearValue { return &dearValue{n} })
}

func TestThousandReadersCauseFourReadsASecond(t *testing.T) {
	var reads atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		before := reads.Load()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond / 10)
				for range 100 {
					if v := Get[fastValue](s.Fresh(t.Context(), 0)); v == nil {
						t.Error("no value")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := reads.Load() - before; n < 30 || n > 42 {
			t.Errorf("%d reads in 10.1 s, want at most 4 a second and far more than the 5 of the cadence", n)
		}
	}, fast(&reads))
}

func TestFreshIsNoOlderThanAsked(t *testing.T) {
	var reads atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		for range 20 {
			time.Sleep(733 * time.Millisecond)
			snap := s.Fresh(t.Context(), 250*time.Millisecond)
			if age := time.Since(snap.Reading("fast").At); age > 250*time.Millisecond {
				t.Fatalf("age %v, want at most 250ms", age)
			}
		}
	}, fast(&reads))
}

func TestHungPartIsAbandonedAndTheOthersGoOn(t *testing.T) {
	var reads atomic.Int64
	var started atomic.Int64
	hung := &Part[otherValue]{Name: "hung", Kind: Dear, Every: 5 * time.Second, Read: func(context.Context) (*otherValue, error) {
		if started.Add(1) == 1 {
			time.Sleep(90 * time.Second) // like a statfs on a dead mount: no context ends it
		}
		return &otherValue{}, nil
	}}
	bubble(t, func(t *testing.T, s *Sampler) {
		time.Sleep(850 * time.Millisecond)
		select {
		case <-s.Ready():
		default:
			t.Fatal("a part that hangs keeps the sampler from being ready")
		}
		time.Sleep(59 * time.Second)
		snap := s.Fresh(t.Context(), time.Second)
		r := snap.Reading("hung")
		if started.Load() != 1 || r.Timeouts != 1 || r.Err == nil || r.Value != nil {
			t.Fatalf("started %d, timeouts %d, err %v: want one read, abandoned once", started.Load(), r.Timeouts, r.Err)
		}
		if n := reads.Load(); n < 29 {
			t.Fatalf("the other part was read %d times in a minute, want about 30", n)
		}
		time.Sleep(36 * time.Second)
		if Get[otherValue](s.Snapshot()) == nil {
			t.Fatal("the part is not read again after its read returned")
		}
	}, fast(&reads), hung)
}

func TestHungFastPartDoesNotHoldBackTheRound(t *testing.T) {
	var reads atomic.Int64
	hung := &Part[otherValue]{Name: "hung", Kind: Fast, Read: func(ctx context.Context) (*otherValue, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		sub := s.Subscribe()
		defer sub.Close()
		last := time.Now()
		for range 5 {
			<-sub.C
			if d := time.Since(last); d > 2*time.Second+2*flushAfter {
				t.Fatalf("round after %v", d)
			}
			last = time.Now()
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		s.Fresh(ctx, 0)
		if d := time.Since(begin); d > 1500*time.Millisecond {
			t.Fatalf("a scrape waited %v for a hung part", d)
		}
	}, fast(&reads), hung)
}

func TestStaleReadingDisappears(t *testing.T) {
	var fail atomic.Bool
	p := &Part[dearValue]{Name: "gpu", Kind: Dear, Every: 5 * time.Second, Read: func(context.Context) (*dearValue, error) {
		if fail.Load() {
			return nil, errors.New("driver gone")
		}
		return &dearValue{7}, nil
	}}
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		if v := Get[dearValue](s.Snapshot()); v == nil || v.n != 7 {
			t.Fatalf("got %v, want 7", v)
		}
		fail.Store(true)
		time.Sleep(10 * time.Second)
		snap := s.Snapshot()
		if Get[dearValue](snap) == nil {
			t.Fatal("a value of two intervals is not shown")
		}
		if r := snap.Reading("gpu"); r.Err == nil || r.LastSuccess.IsZero() {
			t.Fatalf("err %v, last success %v: want the failure and the last success", r.Err, r.LastSuccess)
		}
		time.Sleep(10 * time.Second)
		if v := Get[dearValue](s.Snapshot()); v != nil {
			t.Fatal("a value of four intervals is still shown")
		}
	}, p)
}

func TestIdleSlowsDearPartsAndAReaderWakesThem(t *testing.T) {
	var dears, fasts atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		s.Snapshot()
		time.Sleep(time.Minute)
		busy := dears.Load()
		if busy < 11 || busy > 14 {
			t.Fatalf("%d reads in the first minute, want one every 5 s", busy)
		}
		time.Sleep(10 * time.Minute)
		idle := dears.Load() - busy
		if idle < 19 || idle > 23 {
			t.Fatalf("%d reads in ten idle minutes, want one every 30 s", idle)
		}
		if n := fasts.Load(); n < 325 {
			t.Fatalf("%d fast reads in 11 minutes, want one every 2 s, always", n)
		}
		for time.Since(s.current.Load().Reading("dear").At) < 8*time.Second {
			time.Sleep(time.Second)
		}
		if age := time.Since(s.Fresh(t.Context(), time.Second).Reading("dear").At); age > 8*time.Second {
			t.Fatalf("the first reader after an idle time got a reading %v old", age)
		}
		before := dears.Load()
		time.Sleep(30 * time.Second)
		if n := dears.Load() - before; n < 5 {
			t.Fatalf("%d reads in 30 s after the wake, want one every 5 s", n)
		}
	}, fast(&fasts), dear(&dears))
}

func TestReadyComesAfterRatesAreKnown(t *testing.T) {
	var reads, plain atomic.Int64
	p := fast(&reads)
	p.Prime = true
	bubble(t, func(t *testing.T, s *Sampler) {
		begin := time.Now()
		<-s.Ready()
		if d := time.Since(begin); d != primeGap || reads.Load() != 2 {
			t.Errorf("ready after %v and %d reads, want 250ms and 2", d, reads.Load())
		}
		if plain.Load() != 1 {
			t.Errorf("a part without rates was read %d times, want once", plain.Load())
		}
	}, p, dear(&plain))
}

func TestRoundsComeAtTheCadence(t *testing.T) {
	var reads atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		sub := s.Subscribe()
		defer sub.Close()
		slow := s.Subscribe() // never read until the end: must cost the others nothing
		defer slow.Close()
		var at []time.Time
		for range 10 {
			<-sub.C
			at = append(at, time.Now())
			s.Fresh(t.Context(), 0) // readings on demand must not shift the rounds
		}
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d != 2*time.Second {
				t.Errorf("round %d came after %v, want 2s", i, d)
			}
		}
		if got, want := (<-slow.C).Seq, s.current.Load().Seq; want-got > 2 {
			t.Errorf("the slow subscriber got snapshot %d, the newest is %d", got, want)
		}
	}, fast(&reads))
}

func TestApplyTakesEffectAtOnce(t *testing.T) {
	var fasts, dears atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		st := DefaultSettings()
		st.Interval, st.Disable = time.Second, []string{"dear"}
		s.Apply(st)
		synctest.Wait()
		dear, fast := dears.Load(), fasts.Load()
		time.Sleep(20 * time.Second)
		if n := dears.Load(); n != dear {
			t.Errorf("a disabled part was read %d times", n-dear)
		}
		if Get[dearValue](s.Snapshot()) != nil {
			t.Error("a disabled part is still shown")
		}
		if n := fasts.Load() - fast; n < 19 || n > 21 {
			t.Errorf("%d fast reads in 20 s at an interval of 1 s", n)
		}
		s.Apply(DefaultSettings())
		time.Sleep(6 * time.Second)
		if Get[dearValue](s.Snapshot()) == nil {
			t.Error("a part that was switched on again is not shown")
		}
	}, fast(&fasts), dear(&dears))
}

func TestPanicOfAReaderIsAFailureOfThatPart(t *testing.T) {
	var reads atomic.Int64
	p := &Part[otherValue]{Name: "bug", Kind: Dear, Every: 5 * time.Second, Read: func(context.Context) (*otherValue, error) {
		panic("index out of range")
	}}
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		if r := s.Snapshot().Reading("bug"); r.Err == nil {
			t.Error("a panic counts as success")
		}
		if Get[fastValue](s.Snapshot()) == nil {
			t.Error("the other part is missing")
		}
	}, fast(&reads), p)
}

func TestOnDemandPartIsReadOnlyWhenAsked(t *testing.T) {
	var fasts, reads atomic.Int64
	p := counting("sockets", OnDemand, 0, &reads, func(n int64) *otherValue { return &otherValue{n} })
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		time.Sleep(5 * time.Minute)
		if n := reads.Load(); n != 0 {
			t.Fatalf("read %d times unasked", n)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if v := Get[otherValue](s.FreshPart(t.Context(), "sockets")); v == nil {
					t.Error("no value")
				}
			})
		}
		wg.Wait()
		if n := reads.Load(); n != 1 {
			t.Errorf("100 callers at once caused %d reads, want 1", n)
		}
	}, fast(&fasts), p)
}

func TestCallersAreLetGoWhenTheSamplerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(DefaultSettings(), slog.New(slog.DiscardHandler))
		var reads atomic.Int64
		s.setSources([]Source{fast(&reads)})
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		cancel(errDone)
		<-done
		time.Sleep(time.Minute)
		if snap := s.Fresh(t.Context(), 0); snap == nil {
			t.Error("no snapshot after the end")
		}
	})
}

func TestClosedPartsAreClosedOnceAtTheEnd(t *testing.T) {
	var closed atomic.Int64
	var reads atomic.Int64
	p := fast(&reads)
	p.Close = func() error { closed.Add(1); return nil }
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		if closed.Load() != 0 {
			t.Error("closed while running")
		}
	}, p)
	if closed.Load() != 1 {
		t.Errorf("closed %d times, want once", closed.Load())
	}
}

func TestHistoryKeepsFifteenMinutesOldestFirst(t *testing.T) {
	mem := &Part[Memory]{Name: "memory", Kind: Fast, Read: func(context.Context) (*Memory, error) {
		return &Memory{UsedRatio: 0.5, UsedBytes: 42}, nil
	}}
	var n atomic.Int64
	cpu := &Part[CPU]{Name: "cpu", Kind: Fast, Read: func(context.Context) (*CPU, error) {
		return &CPU{UsageRatio: float64(n.Add(1)) / 1e4, Cores: []CPUCore{{UsageRatio: 0.25}}}, nil
	}}
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		time.Sleep(20*time.Minute + time.Second)
		c := s.History().Since(time.Time{})
		if len(c.Times) != 450 || len(c.Values["cpu_percent"]) != 450 || len(c.Cores) != 1 || len(c.Cores[0]) != 450 {
			t.Fatalf("%d points, want 450", len(c.Times))
		}
		if !slices.IsSorted(c.Times) || !slices.IsSorted(c.Values["cpu_percent"]) {
			t.Error("points are not oldest first")
		}
		if d := c.Times[449] - c.Times[0]; d != 449*2000 {
			t.Errorf("the ring spans %d ms, want 449 intervals", d)
		}
		if c.Values["memory_percent"][0] != 50 || c.Cores[0][0] != 25 {
			t.Error("percents are wrong")
		}
		if v := c.Values["gpu_memory_used_bytes"][0]; v == v {
			t.Errorf("an unknown value is %v, want NaN", v)
		}
		if got := len(s.History().Since(time.Now().Add(-time.Minute)).Times); got != 30 {
			t.Errorf("%d points of the last minute, want 30", got)
		}
	}, cpu, mem)
}

func TestGoroutineOrderDoesNotSplitARound(t *testing.T) {
	delay := func(d time.Duration) func(context.Context) (*otherValue, error) {
		return func(context.Context) (*otherValue, error) { time.Sleep(d); return &otherValue{}, nil }
	}
	var reads atomic.Int64
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		sub := s.Subscribe()
		defer sub.Close()
		for range 3 {
			snap := <-sub.C
			a, b := snap.Reading("fast").At, snap.Reading("late").At
			if d := b.Sub(a); d < 0 || d > flushAfter {
				t.Fatalf("one round's readings are %v apart", d)
			}
		}
	}, fast(&reads), &Part[otherValue]{Name: "late", Kind: Fast, Read: delay(30 * time.Millisecond)})
}

func ExampleFilter() {
	f := Filter{Exclude: []string{"ports"}}
	fmt.Println(f.wants("cpu"), f.wants("ports"))
	// Output: true false
}
