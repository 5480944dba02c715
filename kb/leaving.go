package kb

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// Files that are removed one after the other are first seen to be gone when most of them are still there. So what the watcher
// sees going is waited for until it is quiet, and deleted, or held, all together.
const (
	leavingQuiet = 2 * time.Second  // without more files gone
	leavingMost  = 30 * time.Second // where removing goes on and on
)

// leaving are the files of one root that are gone, and may not be the last.
type leaving struct {
	dirs    map[string]bool // folders in which they were
	full    bool            // the whole root must be looked at
	count   int
	since   time.Time
	changed time.Time // when count last changed
	quiet   time.Duration
}

// due is when they are looked at again.
func (l *leaving) due() time.Time {
	due := l.changed.Add(l.quiet)
	if latest := l.since.Add(leavingMost); latest.Before(due) {
		return latest
	}
	return due
}

// wait says that the files missed by this scan are not deleted yet. What somebody asked for is done at once.
func (s *scan) wait(job *Job) bool {
	b, now := s.b, time.Now()
	l := b.leaving[s.root.ID]
	whole := s.j.hint == nil && s.w.wanted == nil
	switch {
	case len(s.lost) == 0:
		if whole || l != nil && !l.full && s.j.hint != nil { // a hint is looked at together with the folders of l
			delete(b.leaving, s.root.ID)
		}
		return false
	case job.Confirm:
		return false
	case s.w.wanted != nil:
		return l != nil
	case whole && job.Trigger != "watch" && (l == nil || job.Trigger != "rescan"):
		delete(b.leaving, s.root.ID)
		return false
	}
	if l == nil {
		l = &leaving{dirs: map[string]bool{}, since: now, full: whole, quiet: cmp.Or(b.o.quiet, leavingQuiet)}
		b.leaving[s.root.ID] = l
	}
	if l.full && !whole {
		return true
	}
	for _, dir := range s.j.hint {
		l.dirs[dir] = true
	}
	l.full = l.full || len(l.dirs) > maxHint
	if len(s.lost) != l.count {
		l.count, l.changed = len(s.lost), now
	}
	if now.Before(l.due()) {
		return true
	}
	delete(b.leaving, s.root.ID)
	return false
}

// together adds the folders that files are leaving to a hint, so that one that went from one folder to another is known again
// when it arrives.
func (b *Base) together(h hint) hint {
	l := b.leaving[h.root]
	if l == nil || l.full {
		return h
	}
	dirs := maps.Clone(l.dirs)
	for _, d := range h.dirs {
		dirs[d] = true
	}
	h.dirs = slices.Sorted(maps.Keys(dirs))
	return h
}

// nextLeaving sends when leaving files must be looked at again; nil when there are none.
func (b *Base) nextLeaving() <-chan time.Time {
	var next time.Time
	for _, l := range b.leaving {
		if due := l.due(); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next))
}

// lookAtLeaving looks once more at the roots for which it is time.
func (b *Base) lookAtLeaving(ctx context.Context) {
	for root, l := range maps.Clone(b.leaving) {
		switch {
		case time.Now().Before(l.due()):
		case !l.full:
			b.hinted(ctx, hint{root: root, dirs: slices.Sorted(maps.Keys(l.dirs))})
		default:
			if _, _, err := b.Scan(ctx, ScanRequest{Root: root, Trigger: "watch"}); err != nil {
				b.log.Error("queue a scan", "err", err)
				l.changed, l.since = time.Now(), time.Now()
			}
		}
	}
}
