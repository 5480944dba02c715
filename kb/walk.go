package kb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// found is a file that the walk thinks must be read.
type found struct {
	dir, name   string
	size, mtime int64
	inode       uint64
	sidecar     string // name beside it, "" = none
	transcript  string // name beside it
	beside      uint64 // what both looked like
	old         *row
}

func (f *found) path() string { return below(f.dir, f.name) }

// FileError says what became of a file that is no document, or only in part.
type FileError struct {
	Path   string `json:"path"` // relative to the root
	Root   string `json:"root"`
	Reason Reason `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// maxFolders bounds how deep folders may lie.
const maxFolders = 100

// walker lists the folders of one root in parallel. It reads no file but .kbignore.
type walker struct {
	root      *os.Root
	id        string
	cat       *catalog
	mark      uint32
	suspect   func(*row) bool // the row must be read again, whatever the file looks like
	wanted    func(dir, name string, old *row) bool
	recursive bool
	known     func(dir string) bool // not recursive: folders that need not be entered
	slots     chan struct{}
	progress  func(files, unchanged int)

	mu       sync.Mutex
	changed  []found
	rejected []FileError
	gone     []string // folders asked for that are not there
	dirs     []string // folders listed
	unlisted []string // folders that could not be listed
}

// walk lists the folders given and, if the walker is recursive, all below them. It returns when all is done or ctx has ended.
func (w *walker) walk(ctx context.Context, dirs ...string) error {
	w.slots = make(chan struct{}, min(8, 2*runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for _, dir := range dirs {
		rules, skipped := w.rulesAbove(dir)
		if skipped {
			continue
		}
		w.visit(ctx, &wg, dir, rules, !w.recursive)
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	slices.SortFunc(w.changed, func(a, b found) int {
		if a.dir != b.dir {
			return strings.Compare(a.dir, b.dir)
		}
		return strings.Compare(a.name, b.name)
	})
	slices.SortFunc(w.rejected, func(a, b FileError) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(w.dirs)
	return nil
}

// rulesAbove reads the .kbignore files above a folder, and says whether the folder itself is skipped.
func (w *walker) rulesAbove(dir string) (*ignoreRules, bool) {
	var rules *ignoreRules
	if dir == "" {
		return nil, false
	}
	at := ""
	for _, part := range strings.Split(dir, "/") {
		rules = w.rulesIn(at, rules)
		at = path.Join(at, part)
		if alwaysSkipped(part) || holdsNoDocuments(at) || rules.match(at, true) {
			return nil, true
		}
	}
	return rules, false
}

func (w *walker) rulesIn(dir string, parent *ignoreRules) *ignoreRules {
	name := path.Join(dir, ignoreFile)
	if _, err := w.root.Lstat(name); err != nil {
		return parent
	}
	data, _, err := readRegular(w.root, name, maxIgnoreBytes, nil)
	if err != nil {
		w.reject(name, err)
		return parent
	}
	return parseIgnore(dir, string(data), parent)
}

func (w *walker) reject(name string, err error) {
	r, ok := errors.AsType[*RejectError](rejectionOf(err))
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rejected = append(w.rejected, FileError{Path: name, Root: w.id, Reason: r.Reason, Detail: r.Detail})
}

// visit lists one folder. flat says that folders in it are entered only if nobody knows them.
func (w *walker) visit(ctx context.Context, wg *sync.WaitGroup, dir string, rules *ignoreRules, flat bool) {
	if ctx.Err() != nil {
		return
	}
	entries, err := w.list(dir)
	if err != nil {
		w.notListed(dir, err)
		return
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ignoreFile }) {
		rules = w.rulesIn(dir, rules)
	}
	var subdirs []string
	files := entries[:0]
	for _, e := range entries {
		name := below(dir, e.Name())
		switch {
		case alwaysSkipped(e.Name()) || rules.match(name, e.IsDir()):
		case e.IsDir():
			if !holdsNoDocuments(name) && (!flat || !w.known(name)) {
				subdirs = append(subdirs, name)
			}
		case isDocument(e.Name()) || isSidecar(e.Name()) || e.Type()&fs.ModeSymlink != 0:
			files = append(files, e)
		}
	}
	w.files(dir, files)
	if len(subdirs) > 0 && strings.Count(dir, "/") >= maxFolders {
		w.notListed(subdirs[0], fmt.Errorf("folders lie deeper than %d", maxFolders))
		return
	}
	for _, sub := range subdirs {
		select {
		case w.slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-w.slots }()
				w.visit(ctx, wg, sub, rules, false)
			})
		default: // all are busy: here, so that the number of goroutines is bounded
			w.visit(ctx, wg, sub, rules, false)
		}
	}
}

func (w *walker) list(dir string) ([]fs.DirEntry, error) {
	f, err := w.root.Open(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.ReadDir(-1)
}

func (w *walker) notListed(dir string, err error) {
	w.mu.Lock()
	if errors.Is(err, fs.ErrNotExist) && dir != "" {
		w.gone = append(w.gone, dir)
		w.mu.Unlock()
		return
	}
	w.unlisted = append(w.unlisted, dir)
	w.mu.Unlock()
	w.reject(cmp.Or(dir, "."), err)
}

// companion is a sidecar or a transcript of a folder.
type companion struct {
	name        string
	size, mtime int64
}

// files compares the files of one folder with what is known of them.
func (w *walker) files(dir string, entries []fs.DirEntry) {
	infos := make([]fs.FileInfo, len(entries))
	sidecars, transcripts := map[string]companion{}, map[string]companion{}
	for i, e := range entries {
		info, err := w.inspect(dir, e)
		if err != nil || info == nil {
			continue
		}
		infos[i] = info
		c := companion{e.Name(), info.Size(), info.ModTime().UnixNano()}
		stem := stemOf(e.Name())
		switch {
		case isSidecar(e.Name()):
			if have, ok := sidecars[stem]; !ok || c.name > have.name { // .meta.json, written by people, before .info.json
				sidecars[stem] = c
			}
		case isTranscript(e.Name()) || strings.EqualFold(path.Ext(e.Name()), ".txt"):
			if have, ok := transcripts[stem]; !ok || better(c.name, have.name) {
				transcripts[stem] = c
			}
		}
	}
	var changed []found
	seen, unchanged := 0, 0
	for i, e := range entries {
		info := infos[i]
		if info == nil || !isDocument(e.Name()) {
			continue
		}
		seen++
		f := found{dir: dir, name: e.Name(), size: info.Size(), mtime: info.ModTime().UnixNano()}
		_, f.inode = identityOf(info)
		var side companion
		stem := ""
		if len(sidecars)+len(transcripts) > 0 {
			stem = stemOf(e.Name())
			side = sidecars[stem]
		}
		f.sidecar = side.name
		if ext := strings.ToLower(path.Ext(e.Name())); ext != ".vtt" && ext != ".srt" && ext != ".txt" {
			f.transcript = transcripts[stem].name
		}
		f.beside = fingerprint(side, f.transcript)
		f.old = w.cat.see(keyOf(w.id, f.path()), w.mark)
		if w.wanted != nil && !w.wanted(dir, f.name, f.old) {
			continue
		}
		if r := f.old; r != nil && r.size == f.size && r.mtime == f.mtime && r.inode == f.inode && r.beside == f.beside && !r.has(flagRacy) && !w.suspect(r) {
			unchanged++
			continue
		}
		changed = append(changed, f)
	}
	w.progress(seen, unchanged)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = append(w.changed, changed...)
	w.dirs = append(w.dirs, dir)
}

// better prefers WebVTT to SubRip to plain text, then the shorter name.
func better(a, b string) bool {
	rank := func(s string) int {
		return slices.Index([]string{".txt", ".srt", ".vtt"}, strings.ToLower(path.Ext(s)))
	}
	if rank(a) != rank(b) {
		return rank(a) > rank(b)
	}
	return len(a) < len(b) || len(a) == len(b) && a < b
}

func fingerprint(side companion, transcript string) uint64 {
	if side.name == "" && transcript == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%d\x00%d\x00%s", side.name, side.size, side.mtime, transcript)
	return h.Sum64()
}

// inspect returns what a name of a folder is, nil for what is no file of ours, rejecting what cannot be one.
func (w *walker) inspect(dir string, e fs.DirEntry) (fs.FileInfo, error) {
	name := below(dir, e.Name())
	if e.Type()&fs.ModeSymlink != 0 {
		return w.inspectLink(dir, name)
	}
	info, err := e.Info()
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone since
		return nil, err
	case err != nil:
		w.reject(name, err)
		return nil, err
	case !info.Mode().IsRegular():
		w.reject(name, &RejectError{NotRegular, info.Mode().Type().String()})
		return nil, nil
	}
	return info, nil
}

// inspectLink follows a link within the root. One to a folder is not entered: its files have a path of their own already, and
// links between folders would multiply without end.
func (w *walker) inspectLink(dir, name string) (fs.FileInfo, error) {
	info, err := w.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if isDocument(name) {
			w.reject(name, &RejectError{Unreadable, "the link leads nowhere"})
		}
		return nil, err
	case err != nil:
		w.reject(name, err)
		return nil, err
	case info.IsDir():
		for at := dir; ; at = path.Dir(at) {
			if above, err := w.root.Stat(cmp.Or(at, ".")); err == nil && os.SameFile(above, info) {
				w.reject(name, &RejectError{LinkLoop, ""})
				break
			}
			if at == "" || at == "." {
				break
			}
		}
		return nil, nil
	case !isDocument(name) && !isSidecar(name):
		return nil, nil
	case !info.Mode().IsRegular():
		w.reject(name, &RejectError{NotRegular, info.Mode().Type().String()})
		return nil, nil
	}
	return info, nil
}
