package kb

import (
	linked "container/list"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
)

// textsMost is how many bytes of texts are kept for the previews of the next searches: those of some hundred files.
const textsMost = 4 << 20

// shownTexts are what people read of the documents that were shown last. A text belongs to the content that the record knows, so it
// never is out of date.
type shownTexts struct {
	mu    sync.Mutex
	at    map[textKey]*linked.Element
	used  linked.List // of keptText, newest first
	bytes int
}

// textKey is a content at a place. The hash is the half of it that rows have.
type textKey struct {
	root, path string
	hash       [16]byte
}

func textKeyOf(d *Document) textKey {
	k := textKey{root: d.Root, path: d.Path}
	sum, _ := hex.DecodeString(d.Hash) // none: nothing has that
	copy(k.hash[:], sum)
	return k
}

type keptText struct {
	textKey
	text string
	said []Segment
}

func (k *keptText) size() int {
	n := len(k.text) + len(k.root) + len(k.path) + 200
	for i := range k.said {
		n += len(k.said[i].Text) + 32
	}
	return n
}

func (t *shownTexts) get(key textKey) (*keptText, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.at[key]
	if e == nil {
		return nil, false
	}
	t.used.MoveToFront(e)
	return e.Value.(*keptText), true
}

func (t *shownTexts) put(k *keptText) {
	key := k.textKey
	if k.size() > textsMost/16 { // one transcript does not take the place of all others
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[textKey]*linked.Element{}
	}
	if t.at[key] != nil { // another search was faster
		return
	}
	t.at[key] = t.used.PushFront(k)
	for t.bytes += k.size(); t.bytes > textsMost; {
		last := t.used.Remove(t.used.Back()).(*keptText)
		delete(t.at, last.textKey)
		t.bytes -= last.size()
	}
}

// full says that what comes next takes the place of something.
func (t *shownTexts) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes > textsMost*15/16
}

// Text returns what people read of a document, as the index has it: as the record knows the file, else from the file as it is
// now. Errors: [ErrNotFound], and a [RejectError] for a file that cannot be read any more.
func (b *Base) Text(_ context.Context, d *Document) (string, error) {
	k, err := b.shown(d.ID, textKeyOf(d), d.Size)
	if err != nil {
		return "", err
	}
	return k.text, nil
}

// shown reads what people read of a file, or remembers it.
func (b *Base) shown(id string, key textKey, size int64) (*keptText, error) {
	if k, ok := b.texts.get(key); ok {
		return k, nil
	}
	root, ok := b.rootOf(key.root)
	if !ok {
		return nil, fmt.Errorf("file %q: %w", id, ErrNotFound)
	}
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", root.ID, err)
	}
	defer func() { _ = dir.Close() }()
	at := folder{root: dir}
	defer at.leave()
	in, name := path.Split(key.path)
	f, err := at.open(strings.TrimSuffix(in, "/"), name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key.path, rejectionOf(err))
	}
	defer func() { _ = f.Close() }()
	// Whether it changed meanwhile does not matter: what is kept has the content that the record knows.
	data, err := appendAll(make([]byte, 0, min(size, b.o.MaxFileSize)+1), io.LimitReader(f, b.o.MaxFileSize))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key.path, rejectionOf(err))
	}
	if r := b.cat.byID(id); r != nil && r.root == key.root && r.path() == key.path {
		file := TextFile{base: b, row: r}
		file.learn(f, fromUTF16(data))
	}
	p, err := Parse(Input{Root: key.root, Path: key.path, Data: data, textOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key.path, err)
	}
	k := &keptText{key, p.Text, p.Segments}
	if textKeyOf(&p.Document) == key {
		b.texts.put(k)
	}
	return k, nil
}
