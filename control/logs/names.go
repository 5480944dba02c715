package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"controlcenter/internal/lazy"
)

const (
	liveExt   = ".log"
	rawExt    = ".direct.log"
	packedExt = ".zst"
	goneExt   = ".gone"
	tempExt   = ".tmp" // behind a packed name: not finished
)

// forms are the names a rotated file may have; two of them for a moment, while one takes the place of the other.
type forms uint8

const (
	plain forms = 1 << iota
	packed
	gone
	temporary
)

// segment is a rotated file.
type segment struct {
	start, size int64 // position of its first byte, uncompressed bytes
	forms       forms
	raw         bool // written by the service itself: lines have no prefix
}

func (s segment) end() int64 { return s.start + s.size }

func (s segment) name(service string, form forms) string {
	ext := liveExt
	if s.raw {
		ext = rawExt
	}
	switch form {
	case packed:
		ext += packedExt
	case gone:
		ext = goneExt
	case temporary:
		ext += packedExt + tempExt
	}
	return fmt.Sprintf("%s.%020d-%d%s", service, s.start, s.size, ext)
}

func liveName(service string, raw bool) string {
	if raw {
		return service + rawExt
	}
	return service + liveExt
}

var servicePattern = lazy.Regexp(`^[a-zA-Z0-9_-]{1,100}$`)

func checkService(service string) error {
	if !servicePattern().MatchString(service) {
		return fmt.Errorf("service %q: must be 1 to 100 of a-z, A-Z, 0-9, _ and -", service)
	}
	return nil
}

// parseSegment reads the name of a rotated file.
func parseSegment(name string) (service string, s segment, ok bool) {
	service, rest, _ := strings.Cut(name, ".")
	span, ext, _ := strings.Cut(rest, ".")
	from, size, dashed := strings.Cut(span, "-")
	if !dashed || len(from) != 20 {
		return "", s, false
	}
	switch "." + ext {
	case liveExt:
		s.forms = plain
	case rawExt:
		s.forms, s.raw = plain, true
	case liveExt + packedExt:
		s.forms = packed
	case rawExt + packedExt:
		s.forms, s.raw = packed, true
	case goneExt:
		s.forms = gone
	case liveExt + packedExt + tempExt:
		s.forms = temporary
	case rawExt + packedExt + tempExt:
		s.forms, s.raw = temporary, true
	default:
		return "", s, false
	}
	var err, err2 error
	s.start, err = strconv.ParseInt(from, 10, 64)
	s.size, err2 = strconv.ParseInt(size, 10, 64)
	return service, s, err == nil && err2 == nil && s.start >= 0 && s.size >= 0 && s.end() >= s.start
}

// names calls yield with each name in the folder. No folder is an empty one.
func names(dir string, yield func(name string)) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open log folder: %w", err)
	}
	defer f.Close()
	for {
		some, err := f.Readdirnames(256)
		for _, name := range some {
			yield(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list log folder: %w", err)
		}
	}
}

// rotated lists the rotated files of a service in the order of their positions. It lists the folder twice, so that a file
// that is replaced meanwhile is not missing. One that was put aside meanwhile and then replaced may be: view, which is sure
// that none was, is for readers.
func rotated(dir, service string) ([]segment, error) {
	var all []segment
	prefix := service + "."
	for range 2 {
		err := names(dir, func(name string) {
			if !strings.HasPrefix(name, prefix) {
				return
			}
			if _, s, ok := parseSegment(name); ok && s.forms != temporary {
				all = append(all, s)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return merge(all), nil
}

// merge sorts segments and joins the names of one file.
func merge(all []segment) []segment {
	slices.SortFunc(all, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.size, b.size))
	})
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && out[n-1].start == s.start && out[n-1].size == s.size {
			out[n-1].forms |= s.forms
			out[n-1].raw = out[n-1].raw || s.raw // the name of a gone one does not say
			continue
		}
		out = append(out, s)
	}
	return out
}

// endOf is the position behind the rotated files, where the live one starts.
func endOf(segs []segment) int64 {
	var end int64
	for _, s := range segs {
		end = max(end, s.end())
	}
	return end
}
