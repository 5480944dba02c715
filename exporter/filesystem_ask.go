package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// mountWait is how long a reading waits for its mounts: a local one answers in microseconds, and the reading has a second.
const mountWait = 400 * time.Millisecond

const mountTimeout = "mountpoint timeout" // node_exporter's words for a mount that does not answer

// mount is a mount to be asked.
type mount struct {
	id   string // differs between two mounts at one place, one after the other
	path string // the mountpoint as the system knows it; fs.Mountpoint is the same in valid UTF-8
	fs   Filesystem
}

// mountNumbers is a mount's answer.
type mountNumbers struct {
	size, free, available, files, filesFree float64
	err                                     error
}

// mountAsker asks each mount in a goroutine of its own. A mount that hangs is remembered, keeps its goroutine (and thread)
// until the kernel lets go of it, and is not asked again before that. Not safe for concurrent use.
type mountAsker struct {
	jobs  map[string]*mountJob // under way when the last reading ended, by mount id and path
	round uint64
}

type mountJob struct {
	done    chan struct{} // closed when numbers are set
	numbers mountNumbers
	round   uint64
}

// ask returns the mounts with their numbers. Mounts that hang or fail are in the list without numbers, and named in an error
// that wraps ErrPartial.
func (a *mountAsker) ask(ctx context.Context, mounts []mount) (*Filesystems, error) {
	ctx, cancel := context.WithTimeout(ctx, mountWait)
	defer cancel()
	a.round++
	if a.jobs == nil {
		a.jobs = map[string]*mountJob{}
	}
	jobs := make([]*mountJob, len(mounts))
	for i := range mounts {
		jobs[i] = a.start(&mounts[i])
	}
	v := &Filesystems{List: make([]Filesystem, len(mounts))}
	var failed []string
	for i := range mounts {
		f := &v.List[i]
		*f = mounts[i].fs
		select {
		case <-jobs[i].done:
		case <-ctx.Done():
		}
		if !f.fill(jobs[i]) {
			failed = append(failed, fmt.Sprintf("%s (%s)", f.Mountpoint, f.Problem))
		}
	}
	for key, j := range a.jobs {
		select {
		case <-j.done:
			delete(a.jobs, key)
		default:
			if j.round != a.round { // unmounted while it hung: its goroutine ends on its own
				delete(a.jobs, key)
			}
		}
	}
	if len(failed) > 0 {
		return v, fmt.Errorf("mounts without numbers: %s: %w", strings.Join(failed, ", "), ErrPartial)
	}
	return v, nil
}

// start asks a mount, unless the last question is still open.
func (a *mountAsker) start(m *mount) *mountJob {
	key := m.id + " " + m.path
	j := a.jobs[key]
	if j == nil {
		j = &mountJob{done: make(chan struct{})}
		a.jobs[key] = j
		path := m.path
		go func() { // nobody can wait for it: a hung question ends when the mount's server does
			defer close(j.done)
			j.numbers = statMount(path)
		}()
	}
	j.round = a.round
	return j
}

// fill takes the numbers over from a job, or says why there are none. It is false when that is a failure: a mount that only
// its owner may look into (FUSE without allow_other) is none.
func (f *Filesystem) fill(j *mountJob) (ok bool) {
	f.SizeBytes, f.FreeBytes, f.AvailableBytes, f.UsedRatio = unknown(), unknown(), unknown(), unknown()
	f.Files, f.FilesFree = unknown(), unknown()
	select {
	case <-j.done:
	default:
		f.Hung, f.Problem = true, mountTimeout
		return false
	}
	n := &j.numbers
	if n.err != nil {
		f.Problem = n.err.Error()
		return errors.Is(n.err, os.ErrPermission)
	}
	f.SizeBytes, f.FreeBytes, f.AvailableBytes, f.Files, f.FilesFree = n.size, n.free, n.available, n.files, n.filesFree
	f.UsedRatio = usedRatio(n.size, n.free, n.available)
	return true
}
