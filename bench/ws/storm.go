package main

import (
	"context"
	"time"

	"controlcenter/bench/internal/rig"
)

// dialsPerSecond is at least ten times what the worst known client does.
const dialsPerSecond = 100

// stormed is what REST requests took with and without a client that dials again after every frame.
type stormed struct {
	without, with rig.Latencies
	rate          float64 // sockets a second
}

func storm(ctx context.Context, o *options, url string) (*stormed, error) {
	st := &stormed{}
	if _, err := requests(ctx, url, time.Second); err != nil { // opens the connection
		return nil, err
	}
	dials := 0
	for range o.rounds {
		l, err := requests(ctx, url, o.storm)
		if err != nil {
			return nil, err
		}
		st.without = append(st.without, l...)

		again, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		n := 0
		go func() {
			var err error
			pace := time.NewTicker(time.Second / dialsPerSecond)
			defer pace.Stop()
			for again.Err() == nil && err == nil {
				if err = oneFrame(again, url); err == nil {
					n++
				}
				select {
				case <-pace.C:
				case <-again.Done():
				}
			}
			if again.Err() != nil {
				err = nil
			}
			done <- err
		}()
		l, err = requests(ctx, url, o.storm)
		stop()
		if e := <-done; e != nil {
			return nil, e
		}
		if err != nil {
			return nil, err
		}
		dials += n
		st.with = append(st.with, l...)
	}
	st.rate = float64(dials) / (float64(o.rounds) * o.storm.Seconds())
	return st, nil
}

// oneFrame connects, reads one frame and hangs up without a word, like the client it imitates.
func oneFrame(ctx context.Context, url string) error {
	conn, err := dial(ctx, url, false)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _, err = conn.ReadMessage()
	return err
}

// requests asks for the stats 50 times a second.
func requests(ctx context.Context, url string, length time.Duration) (rig.Latencies, error) {
	c := rig.NewClient(1)
	defer c.Close()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var l rig.Latencies
	for end := time.Now().Add(length); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
		a, err := c.Get(ctx, url+"/api/system/stats", false)
		if err != nil {
			return nil, err
		}
		l = append(l, a.Took)
	}
	return l, nil
}
