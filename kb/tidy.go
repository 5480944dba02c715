package kb

import (
	"path/filepath"
	"runtime/debug"
	"time"
)

// Reading all records at the start, or many files, touches memory and pages of files that serving does not need. They are given
// back once it is calm: after a large scan segments are merged first.
const (
	tidyAfterStart = 10 * time.Second
	tidyAfterMany  = time.Minute
)

// tidyTime sends when to tidy up after a job; nil when it left nothing to.
func tidyTime(j Job) <-chan time.Time {
	switch {
	case j.ToDo >= manyFiles:
		return time.After(tidyAfterMany)
	case j.Trigger == "start":
		return time.After(tidyAfterStart)
	}
	return nil
}

// tidy gives memory back to the system, and the pages of record and index that are mapped and were not used lately enough to
// be worth it: they are read again when they are needed.
func (b *Base) tidy() {
	debug.FreeOSMemory()
	if path := b.o.Store.Info().Path; path != "" {
		if err := pageOut(filepath.Dir(path)); err != nil {
			b.log.Debug("give mapped pages back", "err", err)
		}
	}
}
