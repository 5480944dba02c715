package kb

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// oldLog is a log of the old tool as it was read last.
type oldLog struct {
	size, mtime int64
	job         Job
}

const (
	maxOldLogs    = 100
	maxOldLogSize = 16 << 20
	logTime       = "2006-01-02 15:04:05"
)

// isOldLog knows the names of the logs of the old interface and of the old pipeline, rotated ones included.
func isOldLog(name string) bool {
	for _, kind := range []string{"scan_", "pipeline_"} {
		if rest, ok := strings.CutPrefix(name, kind); ok {
			stem, tail, found := strings.Cut(rest, ".log")
			return found && stem != "" && (tail == "" || tail[0] == '.' && strings.Trim(tail[1:], "0123456789") == "")
		}
	}
	return false
}

// readOldLogs returns a job for each log that the old tool left in the roots; a log is read again only when it changed.
func (b *Base) readOldLogs(ctx context.Context) []Job {
	var out []Job
	for _, root := range b.o.Roots {
		dir, err := os.OpenRoot(root.Path)
		if err != nil {
			continue
		}
		for _, folder := range []string{"knowledge-base/logs", "logs"} {
			out = append(out, b.logsIn(ctx, dir, root, folder)...)
		}
		_ = dir.Close()
	}
	return out
}

func (b *Base) logsIn(ctx context.Context, dir *os.Root, root Root, folder string) []Job {
	entries, err := fs.ReadDir(dir.FS(), folder)
	if err != nil {
		return nil
	}
	slices.Reverse(entries) // their names end in the date: newest first
	var out []Job
	for _, e := range entries {
		if !isOldLog(e.Name()) || !e.Type().IsRegular() || ctx.Err() != nil || len(out) >= maxOldLogs {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		key := root.ID + "/" + folder + "/" + e.Name()
		b.mu.Lock()
		known, ok := b.oldLogs[key]
		b.mu.Unlock()
		if !ok || known.size != info.Size() || known.mtime != info.ModTime().UnixNano() {
			data, _, err := readRegular(dir, path.Join(folder, e.Name()), maxOldLogSize, nil)
			text := ""
			if err == nil {
				text, _, err = decodeText(data)
			}
			job := parseOldLog(e.Name(), text, info.ModTime())
			if err != nil {
				job.Status, job.Error = JobUnknown, err.Error()
			}
			job.ID, job.Root, job.Size = "log-"+keyOf(root.ID, folder+"/"+e.Name()).id()[2:], root.ID, info.Size()
			known = oldLog{info.Size(), info.ModTime().UnixNano(), job}
			b.mu.Lock()
			b.oldLogs[key] = known
			b.mu.Unlock()
		}
		out = append(out, known.job)
	}
	return out
}

// parseOldLog reads what a log says, by the rules of the old interface: ERROR and FAILED win over SUCCESS and COMPLETE; videos
// and insights are counted by the lines that both tools write.
func parseOldLog(name, text string, modified time.Time) Job {
	j := Job{Kind: ScanIncremental, Trigger: "log", Status: JobUnknown, LogFile: name, Started: modified.UTC(), Errors: []FileError{}, Log: []string{}}
	finished := modified.UTC()
	j.Finished = &finished
	upper := strings.ToUpper(text)
	switch {
	case strings.Contains(upper, "ERROR") || strings.Contains(upper, "FAILED"):
		j.Status = JobFailed
	case strings.Contains(upper, "SUCCESS") || strings.Contains(upper, "COMPLETE"):
		j.Status = JobCompleted
	}
	first := true
	declared := -1
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		at, level, message := logLine(line)
		if !at.IsZero() {
			if first {
				j.Started, first = at, false
			}
			finished = at
		}
		switch {
		case strings.Contains(line, "Processing video:"), strings.HasPrefix(message, "Processing:"):
			j.Videos++
		case strings.HasPrefix(message, "Videos processed:"):
			if n, ok := plainNumber(message[len("Videos processed:"):]); ok && n < 1e9 {
				declared = max(declared, 0) + int(n) // the pipeline's log holds all scans of a day
			}
		}
		j.Insights += strings.Count(line, "Insight extracted:")
		if level == "ERROR" || level == "CRITICAL" || level == "" && strings.Contains(line, "ERROR") {
			j.ErrorsTotal++
			if j.Error == "" {
				j.Error = oneLine(cmp.Or(message, line), 300)
			}
		}
		if len(j.Log) == maxJobLog {
			j.Log = append(j.Log[:0], j.Log[1:]...)
		}
		j.Log = append(j.Log, clip(line, 500))
	}
	if j.Videos == 0 && declared > 0 {
		j.Videos = declared
	}
	if j.Status != JobUnknown {
		code := 0
		if j.Status == JobFailed {
			code = 1
		}
		j.ExitCode = &code
	}
	return j
}

// logLine takes "2026-01-02 03:04:05 | INFO     | knowledge_pipeline | message" apart; times of the old tool are local.
func logLine(line string) (at time.Time, level, message string) {
	if len(line) < len(logTime) {
		return time.Time{}, "", line
	}
	at, err := time.ParseInLocation(logTime, line[:len(logTime)], time.Local)
	if err != nil {
		return time.Time{}, "", line
	}
	parts := strings.SplitN(line, "|", 4)
	if len(parts) < 4 {
		return at.UTC(), "", strings.TrimSpace(strings.TrimLeft(line[len(logTime):], ",.0123456789 -|"))
	}
	return at.UTC(), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[3])
}

// isGone says whether there is no such file any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
