package kb

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"strings"
	"unicode/utf8"

	"controlcenter/internal/lazy"
)

// What a decision may write into a file: one line with the status, and nothing else. The result is read as a scan would read it
// before it takes the file's place; should anything but the status differ, the file stays as it is.

var (
	frontStatus = lazy.Regexp(`(?m)^status[ \t]*:.*(?:\n|\z)`)
	labelStatus = lazy.Regexp(`(?mi)^\*\*Status:\*\*.*(?:\n|\z)`)
	labelLine   = lazy.Regexp(`^\*\*[^*\n]{1,40}:\*\*`)
)

// errNotWritable says that a file is of a kind that no status is written into.
var errNotWritable = errors.New("is no Markdown file in UTF-8")

// withStatus returns a Markdown text with another status, "" = with none: in the front matter, else as a bold label where the
// text has such labels, else in a front matter of its own, which goes again with its only line. Line ends and a byte order mark
// stay as they are.
func withStatus(data []byte, status string) ([]byte, error) {
	mark := []byte("\ufeff")
	body, hasMark := bytes.CutPrefix(data, mark)
	if !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0 {
		return nil, errNotWritable
	}
	text, crlf := string(body), false
	if first, _, ok := strings.Cut(text, "\n"); ok && strings.HasSuffix(first, "\r") {
		if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
			return nil, errors.New("mixes line ends")
		}
		text, crlf = strings.ReplaceAll(text, "\r\n", "\n"), true
	}
	text = statusIn(text, status)
	if crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if hasMark {
		text = "\ufeff" + text
	}
	return []byte(text), nil
}

func statusIn(text, status string) string {
	if block, body, ok := cutFrontMatter(text); ok {
		head := text[:strings.IndexByte(text, '\n')+1]
		tail := text[len(head)+len(block) : len(text)-len(body)]
		line := ""
		if status != "" {
			line = "status: " + status + "\n"
		}
		switch at := frontStatus().FindStringIndex(block); {
		case at != nil:
			block = block[:at[0]] + line + block[at[1]:]
		case block == "" || strings.HasSuffix(block, "\n"):
			block += line
		default:
			block += "\n" + line
		}
		if block == "" && status == "" {
			return body
		}
		return head + block + tail + body
	}
	line := ""
	if status != "" {
		line = "**Status:** " + status + "\n"
	}
	// Labels stand above the first section.
	above := len(text)
	if i := strings.Index("\n"+text, "\n## "); i >= 0 {
		above = i
	}
	if at := labelStatus().FindStringIndex(text[:above]); at != nil {
		return text[:at[0]] + line + text[at[1]:]
	}
	if status == "" {
		return text
	}
	last := -1
	for at := 0; at < above; {
		end := strings.IndexByte(text[at:above], '\n')
		if end < 0 {
			break
		}
		if labelLine().MatchString(text[at : at+end]) {
			last = at + end + 1
		} else if last >= 0 {
			break
		}
		at += end + 1
	}
	if last >= 0 {
		return text[:last] + line + text[last:]
	}
	return "---\nstatus: " + status + "\n---\n" + text
}

// writeBack writes a status into the file of a document, and returns what stood there before. The file must still be the one
// that was recorded.
func (b *Base) writeBack(at *row, status string) (was string, err error) {
	if ext := strings.ToLower(path.Ext(at.name)); ext != ".md" && ext != ".markdown" {
		return "", errNotWritable
	}
	root, ok := b.rootOf(at.root)
	if !ok {
		return "", ErrNotFound
	}
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return "", fmt.Errorf("open root %s: %w", root.ID, err)
	}
	defer func() { _ = dir.Close() }()
	name := at.path()
	if info, err := dir.Lstat(name); err != nil {
		return "", rejectionOf(err)
	} else if !info.Mode().IsRegular() {
		return "", errors.New("is a link")
	}
	data, info, err := readRegular(dir, name, b.o.MaxFileSize, nil)
	if err != nil {
		return "", err
	}
	before, err := Parse(Input{Root: at.root, Path: name, Data: data})
	if err != nil {
		return "", err
	}
	if sum, err := hex.DecodeString(before.Hash); err != nil || len(sum) < len(at.hash) || [16]byte(sum) != at.hash {
		return "", errors.New("has changed since it was read")
	}
	was = before.Status
	out, err := withStatus(data, status)
	if err != nil || bytes.Equal(out, data) {
		return was, err
	}
	after, err := Parse(Input{Root: at.root, Path: name, Data: out})
	if err != nil {
		return "", err
	}
	if after.Status != status || !sameButStatus(before, after) {
		return "", errors.New("cannot be changed without changing more than its status")
	}
	return was, replaceFile(dir, name, out, info)
}

// sameButStatus says whether two readings differ in nothing but the status and what follows from it.
func sameButStatus(a, b *Parsed) bool {
	x, y := a.Document, b.Document
	for _, d := range []*Document{&x, &y} {
		d.Status, d.Hash, d.Size, d.Words = "", "", 0, 0
		d.Entries = append([]Entry(nil), d.Entries...)
		for i := range d.Entries {
			e := &d.Entries[i]
			e.Insights = append([]Insight(nil), e.Insights...)
			if e.Status = ""; len(e.Insights) == 0 {
				e.Insights = nil
			}
		}
	}
	return reflect.DeepEqual(x, y)
}

// replaceFile puts a new content in the place of a file, with its mode and owner, in one step: whoever reads it meanwhile gets
// the old or the new one.
func replaceFile(dir *os.Root, name string, data []byte, was fs.FileInfo) (err error) {
	var chance [6]byte
	_, _ = rand.Read(chance[:])                                                           // never fails
	temp := below(path.Dir(name), ".controlcenter-"+hex.EncodeToString(chance[:])+".tmp") // scans skip it
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, was.Mode().Perm())
	if err != nil {
		return rejectionOf(err)
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temp)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = keepOwner(f, was)
	}
	if err == nil {
		err = f.Chmod(was.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write beside it: %w", err)
	}
	now, err := dir.Lstat(name)
	if err != nil {
		return rejectionOf(err)
	}
	if !os.SameFile(was, now) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) {
		return errors.New("has changed since it was read")
	}
	if err := dir.Rename(temp, name); err != nil {
		return fmt.Errorf("put it into its place: %w", err)
	}
	if d, err := dir.Open(path.Dir(name)); err == nil { // the decision is recorded beside it in any case
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}
