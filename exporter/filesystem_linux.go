package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// statWait is how long a reading waits for its mounts: a local one answers in microseconds, and the reading has a second.
const statWait = 400 * time.Millisecond

const mountTimeout = "mountpoint timeout" // node_exporter's words for a mount that does not answer

// What node_exporter 1.12 leaves out by default.
const (
	nodeMountsExcluded  = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	nodeFSTypesExcluded = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`
)

// filesystemReader asks each mount in a goroutine of its own. One that hangs is remembered, keeps its goroutine (and thread)
// until the kernel lets go of it, and is not asked again before that.
type filesystemReader struct {
	mountinfo procFile // of the first process: ours may live in a mount namespace of its own
	own       procFile // where that one is hidden
	mounts    *regexp.Regexp
	types     *regexp.Regexp
	jobs      map[string]*statJob // by mount id, device number and mountpoint
	round     uint64
}

type statJob struct {
	done  chan struct{} // closed when buf and err are set
	buf   unix.Statfs_t
	err   error
	round uint64
}

func newFilesystemReader(o *Options) *filesystemReader {
	return &filesystemReader{
		mountinfo: procFile{path: filepath.Join(o.ProcRoot, "1/mountinfo")},
		own:       procFile{path: filepath.Join(o.ProcRoot, "self/mountinfo")},
		mounts:    regexp.MustCompile(nodeMountsExcluded),
		types:     regexp.MustCompile(nodeFSTypesExcluded),
		jobs:      map[string]*statJob{},
	}
}

func (r *filesystemReader) close() error { return closeAll(&r.mountinfo, &r.own) }

func (r *filesystemReader) read(ctx context.Context) (*Filesystems, error) {
	b, err := r.mountinfo.read()
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		b, err = r.own.read()
	}
	if err != nil {
		return nil, err
	}
	mounts := r.choose(parseMountInfo(b))
	ctx, cancel := context.WithTimeout(ctx, statWait)
	defer cancel()
	r.round++
	jobs := make([]*statJob, len(mounts))
	for i := range mounts {
		jobs[i] = r.ask(&mounts[i])
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
	for key, j := range r.jobs {
		select {
		case <-j.done:
			delete(r.jobs, key)
		default:
			if j.round != r.round { // unmounted while it hung: its goroutine ends on its own
				delete(r.jobs, key)
			}
		}
	}
	if len(failed) > 0 {
		return v, fmt.Errorf("mounts without an answer: %s: %w", strings.Join(failed, ", "), ErrPartial)
	}
	return v, nil
}

// choose keeps the mounts that are shown. Of several mounts at one place only the last can be reached, and is named.
func (r *filesystemReader) choose(all []mount) []mount {
	shown := make([]mount, 0, len(all))
	place := make(map[string]int, len(all))
	for _, m := range all {
		m.fs.Main = m.fs.Mountpoint == "/"
		m.fs.Node = !r.mounts.MatchString(m.fs.Mountpoint) && !r.types.MatchString(m.fs.Type)
		if i, ok := place[m.fs.Mountpoint]; ok {
			shown[i] = m
			continue
		}
		place[m.fs.Mountpoint] = len(shown)
		shown = append(shown, m)
	}
	return slices.DeleteFunc(shown, func(m mount) bool { return !m.fs.Node && !m.fs.Main })
}

// ask starts a statfs of the mount, unless one is still under way.
func (r *filesystemReader) ask(m *mount) *statJob {
	key := m.id + " " + m.fs.Major + ":" + m.fs.Minor + " " + m.path
	if j := r.jobs[key]; j != nil {
		j.round = r.round
		return j
	}
	j := &statJob{done: make(chan struct{}), round: r.round}
	r.jobs[key] = j
	path := m.path
	go func() { // nobody can wait for it: a hung statfs ends when its server does
		defer close(j.done)
		j.err = unix.Statfs(path, &j.buf)
	}()
	return j
}

// fill takes the numbers over from a job, or says why there are none. It is false when that is a failure: a mount that only
// its owner may look into (FUSE without allow_other) is none.
func (f *Filesystem) fill(j *statJob) (ok bool) {
	f.SizeBytes, f.FreeBytes, f.AvailableBytes, f.UsedRatio = unknown(), unknown(), unknown(), unknown()
	f.Files, f.FilesFree = unknown(), unknown()
	select {
	case <-j.done:
	default:
		f.Hung, f.Problem = true, mountTimeout
		return false
	}
	if j.err != nil {
		f.Problem = j.err.Error()
		return errors.Is(j.err, os.ErrPermission)
	}
	block := float64(j.buf.Bsize)
	f.SizeBytes, f.FreeBytes, f.AvailableBytes = float64(j.buf.Blocks)*block, float64(j.buf.Bfree)*block, float64(j.buf.Bavail)*block
	f.UsedRatio = usedRatio(f.SizeBytes, f.FreeBytes, f.AvailableBytes)
	f.Files, f.FilesFree = float64(j.buf.Files), float64(j.buf.Ffree)
	return true
}

// mount is one row of mountinfo.
type mount struct {
	id   string
	path string // the mountpoint as the kernel knows it; fs.Mountpoint is the same in valid UTF-8
	fs   Filesystem
}

// parseMountInfo reads /proc/PID/mountinfo: id, parent, major:minor, root, mountpoint, options, any number of tags, a dash,
// type, source, options of the superblock. Rows of another shape are left out.
func parseMountInfo(b []byte) []mount {
	var all []mount
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		before, after, ok := bytes.Cut(line, []byte(" - "))
		if !ok {
			continue
		}
		var head, tail [6][]byte
		fieldsInto(head[:], before)
		fieldsInto(tail[:], after)
		major, minor, ok := bytes.Cut(head[2], []byte(":"))
		if _, num := parseUint(major); !ok || !num {
			continue
		}
		if _, num := parseUint(minor); !num || len(head[4]) == 0 || len(tail[0]) == 0 {
			continue
		}
		path := unescapeMount(head[4])
		all = append(all, mount{
			id: string(head[0]), path: path,
			fs: Filesystem{
				Device: strings.ToValidUTF8(unescapeMount(tail[1]), "\uFFFD"), Mountpoint: strings.ToValidUTF8(path, "\uFFFD"),
				Type: strings.ToValidUTF8(unescapeMount(tail[0]), "\uFFFD"), Major: string(major), Minor: string(minor),
				ReadOnly: hasOption(head[5], "ro") || hasOption(tail[2], "ro") || hasOption(tail[2], "emergency_ro"),
			},
		})
	}
	return all
}

func fieldsInto(dst [][]byte, b []byte) {
	for i := range dst {
		dst[i], b = nextField(b)
	}
}

func hasOption(options []byte, want string) bool {
	for o := range bytes.SplitSeq(options, []byte(",")) {
		if string(o) == want {
			return true
		}
	}
	return false
}

// unescapeMount undoes the kernel's \ooo for blank, tab, newline and backslash.
func unescapeMount(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && isOctal(b[i+1]) && isOctal(b[i+2]) && isOctal(b[i+3]) {
			out = append(out, (b[i+1]-'0')<<6|(b[i+2]-'0')<<3|(b[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, b[i])
	}
	return string(out)
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
