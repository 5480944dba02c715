package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"controlcenter/bench/internal/rig"
)

var peerNames = []string{"fts5", "xapian"}

// peer is what was measured of one.
type peer struct {
	index, cpu time.Duration
	anon, disk uint64
	*answers
}

func measurePeer(ctx context.Context, o *options, s *set, name, script, dir string) (*peer, error) {
	db := filepath.Join(dir, name)
	defer func() { _ = os.RemoveAll(db) }()
	p := &peer{}
	cmd := exec.CommandContext(ctx, o.python, script, "index", name, s.dir, db)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	rig.OwnGroup(cmd)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-tick.C:
			p.anon = max(p.anon, memoryOf(cmd.Process.Pid).anon)
			continue
		case err := <-done:
			tick.Stop()
			if err != nil {
				return nil, fmt.Errorf("%s: make index: %w: %s", name, err, errs.String())
			}
		}
		break
	}
	p.index = time.Since(start)
	p.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	info, err := os.Stat(db)
	if err != nil {
		return nil, err
	}
	if p.disk = uint64(info.Size()); info.IsDir() {
		p.disk = sizeOf(db)
	}
	ask := exec.CommandContext(ctx, o.python, script, "query", name, db, s.queriesFile)
	rig.OwnGroup(ask)
	out, err := ask.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: ask: %w: %s", name, err, stderrOf(err))
	}
	p.answers = &answers{}
	return p, json.Unmarshal(out, p.answers)
}

// rgMost is how many queries of a kind ripgrep is asked: each reads all files.
const rgMost = 10

// measureRipgrep looks through the files for what it can look for, and counts the lines of each file as the older backend did.
func measureRipgrep(ctx context.Context, o *options, s *set) (map[string]rig.Latencies, error) {
	out := map[string]rig.Latencies{}
	for i := range s.queries {
		q := &s.queries[i]
		if len(out[q.Kind]) >= rgMost {
			continue
		}
		args := []string{"--no-config", "-c", "-i"}
		switch q.Kind {
		case kindTerm:
			args = append(args, "-w", "-F")
		case kindPhrase, kindLiteral:
			args = append(args, "-F")
		case kindPrefix:
			args = append(args, "-F")
		default:
			continue
		}
		text := ""
		for _, w := range q.Words {
			if text != "" {
				text += " "
			}
			text += w
		}
		start := time.Now()
		err := exec.CommandContext(ctx, o.rg, append(args, "--", text, s.dir)...).Run()
		if e, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || e.ExitCode() != 1) {
			return nil, fmt.Errorf("ripgrep: %w", err)
		}
		out[q.Kind] = append(out[q.Kind], time.Since(start))
	}
	return out, nil
}
