package kb

import (
	"cmp"
	"context"
	"maps"
	"time"
)

// Stats is what the knowledge base holds.
type Stats struct {
	TotalFiles    int            `json:"total_files"`
	TotalCreators int            `json:"total_creators"` // of the creator databases, counted
	TotalBytes    int64          `json:"total_size_bytes"`
	Recent7d      int            `json:"recent_files_7d"` // changed in the last seven days
	ByAgent       map[string]int `json:"files_by_agent"`
	ByType        map[string]int `json:"by_type"` // document, video, transcript, code: each present
	ByCategory    map[string]int `json:"by_category"`
	ByStatus      map[string]int `json:"by_status"`
	TotalVideos   int            `json:"total_videos"` // different ones
	TotalInsights int            `json:"total_insights"`
	Confidence    map[string]int `json:"by_confidence"` // high (0.8 and more), medium (0.6), low, unknown
	LastScan      *time.Time     `json:"last_scan"`     // end of the last complete scan of all roots; nil = there was none
	Status        string         `json:"kb_status"`     // active, empty
	Generation    uint64         `json:"generation"`
	Degraded      bool           `json:"degraded"` // the index is being made again
	Scanning      bool           `json:"scanning"` // or about to, right after the start
	Held          []Held         `json:"held"`
	Rejected      map[Reason]int `json:"rejected_by_reason"` // of the last complete scan of this process
}

// Stats counts what is recorded.
func (b *Base) Stats(ctx context.Context) (Stats, error) {
	if err := b.load(ctx); err != nil {
		return Stats{}, err
	}
	s := Stats{
		ByAgent: map[string]int{}, ByType: map[string]int{}, ByCategory: map[string]int{}, ByStatus: map[string]int{}, Status: "empty",
		Confidence: map[string]int{"high": 0, "medium": 0, "low": 0, "unknown": 0}, Held: b.Held(), TotalCreators: len(b.allCreators()), Rejected: map[Reason]int{},
	}
	for _, k := range kinds() {
		s.ByType[k] = 0
	}
	b.mu.Lock()
	s.Scanning = !b.begun && len(b.o.Roots) > 0 || b.current != nil || len(b.queue) > 0 // as it was before the counts: with none they are exact
	b.mu.Unlock()
	c := b.countRows(time.Now(), s.Scanning)
	s.TotalFiles, s.TotalBytes, s.TotalInsights, s.TotalVideos, s.Recent7d = c.TotalFiles, c.TotalBytes, c.TotalInsights, c.TotalVideos, c.Recent7d
	for from, to := range map[*map[string]int]map[string]int{&c.ByAgent: s.ByAgent, &c.ByCategory: s.ByCategory, &c.ByType: s.ByType, &c.ByStatus: s.ByStatus, &c.Confidence: s.Confidence} {
		maps.Copy(to, *from)
	}
	if s.TotalFiles > 0 {
		s.Status = "active"
	}
	s.Generation, s.Degraded = b.Generation()
	b.mu.Lock()
	defer b.mu.Unlock()
	for reason, n := range b.rejected {
		s.Rejected[reason] = n
	}
	for i, root := range b.o.Roots { // the oldest of the last scans: since then all roots were looked at
		last := b.state.Roots[root.ID].LastScan
		if last.IsZero() {
			s.LastScan = nil
			break
		}
		if i == 0 || last.Before(*s.LastScan) {
			s.LastScan = &last
		}
	}
	return s, nil
}

// LastScan is the end of the last scan of the root whose last scan is the oldest; zero while a root was never scanned, or the
// record is not read yet.
func (b *Base) LastScan() (oldest time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, root := range b.o.Roots {
		last := b.state.Roots[root.ID].LastScan
		if last.IsZero() {
			return last
		}
		if i == 0 || last.Before(oldest) {
			oldest = last
		}
	}
	return oldest
}

func confidenceBand(packed uint16) string {
	switch {
	case packed == noConfidence:
		return "unknown"
	case packed >= 8000:
		return "high"
	case packed >= 6000:
		return "medium"
	}
	return "low"
}

// statsCache keeps the counts, which take some 40 ms for 100,000 files, until something changes or a minute has passed. A scan
// changes something all the time: until its end they may be a second old.
type statsCache struct {
	version uint64
	at      time.Time
	counts  *Stats // never changed
}

func (b *Base) countRows(now time.Time, scanning bool) *Stats {
	version := b.cat.currentVersion()
	b.mu.Lock()
	last := b.counted
	b.mu.Unlock()
	if last.counts != nil && last.at.Unix()/60 == now.Unix()/60 && (last.version == version || scanning && now.Sub(last.at) < time.Second) {
		return last.counts
	}
	s := &Stats{ByAgent: map[string]int{}, ByType: map[string]int{}, ByCategory: map[string]int{}, ByStatus: map[string]int{}, Confidence: map[string]int{}}
	week := now.Add(-7 * 24 * time.Hour).UnixNano()
	videos := map[uint64]struct{}{}
	b.cat.all("", func(r *row) {
		s.TotalFiles++
		s.TotalBytes += r.size
		s.TotalInsights += r.insightCount()
		s.ByAgent[r.agent]++
		s.ByCategory[r.category]++
		s.ByType[kinds()[r.kind]]++
		s.ByStatus[cmp.Or(statuses()[r.status], "none")]++
		s.Confidence[confidenceBand(r.confidence)]++
		if r.mtime >= week {
			s.Recent7d++
		}
		if r.video != 0 {
			videos[r.video] = struct{}{}
		}
	})
	s.TotalVideos = len(videos)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counted = statsCache{version, now, s}
	return s
}
