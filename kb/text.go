package kb

import (
	linked "container/list"
	"context"
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

type textKey struct{ root, path, hash string }

type keptText struct {
	textKey
	text string
}

func (k *keptText) size() int { return len(k.text) + len(k.root) + len(k.path) + len(k.hash) + 200 }

func (t *shownTexts) get(key textKey) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.at[key]
	if e == nil {
		return "", false
	}
	t.used.MoveToFront(e)
	return e.Value.(*keptText).text, true
}

func (t *shownTexts) put(key textKey, text string) {
	k := &keptText{key, text}
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

// Text returns what people read of a document, as the index has it: as the record knows the file, else from the file as it is
// now. Errors: [ErrNotFound], and a [RejectError] for a file that cannot be read any more.
func (b *Base) Text(_ context.Context, d *Document) (string, error) {
	key := textKey{d.Root, d.Path, d.Hash}
	if text, ok := b.texts.get(key); ok {
		return text, nil
	}
	root, ok := b.rootOf(d.Root)
	if !ok {
		return "", fmt.Errorf("file %q: %w", d.ID, ErrNotFound)
	}
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return "", fmt.Errorf("open root %s: %w", root.ID, err)
	}
	defer func() { _ = dir.Close() }()
	at := folder{root: dir}
	defer at.leave()
	in, name := path.Split(d.Path)
	f, err := at.open(strings.TrimSuffix(in, "/"), name)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", d.Path, rejectionOf(err))
	}
	defer func() { _ = f.Close() }()
	// Whether it changed meanwhile does not matter: what is kept has the content that the record knows.
	data, err := appendAll(make([]byte, 0, min(d.Size, b.o.MaxFileSize)+1), io.LimitReader(f, b.o.MaxFileSize))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", d.Path, rejectionOf(err))
	}
	p, err := Parse(Input{Root: d.Root, Path: d.Path, Data: data, textOnly: true})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", d.Path, err)
	}
	if p.Hash == d.Hash {
		b.texts.put(key, p.Text)
	}
	return p.Text, nil
}
