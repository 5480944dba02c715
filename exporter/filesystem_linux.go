package exporter

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// What node_exporter 1.12 leaves out by default.
const (
	nodeMountsExcluded  = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	nodeFSTypesExcluded = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`
)

type filesystemReader struct {
	mountinfo procFile // of the first process: ours may live in a mount namespace of its own
	own       procFile // where that one is hidden
	mounts    *regexp.Regexp
	types     *regexp.Regexp
	asker     mountAsker
}

func newFilesystemReader(o *Options) *filesystemReader {
	return &filesystemReader{
		mountinfo: procFile{path: filepath.Join(o.ProcRoot, "1/mountinfo")},
		own:       procFile{path: filepath.Join(o.ProcRoot, "self/mountinfo")},
		mounts:    regexp.MustCompile(nodeMountsExcluded),
		types:     regexp.MustCompile(nodeFSTypesExcluded),
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
	return r.asker.ask(ctx, r.choose(parseMountInfo(b)))
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

// statMount asks the kernel, which may ask a server that does not answer.
func statMount(path string) (n mountNumbers) {
	var buf unix.Statfs_t
	if err := unix.Statfs(path, &buf); err != nil {
		n.err = err
		return n
	}
	block := float64(buf.Bsize)
	n.size, n.free, n.available = float64(buf.Blocks)*block, float64(buf.Bfree)*block, float64(buf.Bavail)*block
	n.files, n.filesFree = float64(buf.Files), float64(buf.Ffree)
	return n
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
				Device: plain(unescapeMount(tail[1])), Mountpoint: plain(path),
				Type: plain(unescapeMount(tail[0])), Major: string(major), Minor: string(minor),
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
