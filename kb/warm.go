package kb

import "context"

// warm reads the files of a small base once after the start. Else the first searches would, file by file, which takes them several
// times as long as those after them. It ends when all is read that is kept, or with ctx.
func (b *Base) warm(ctx context.Context, rows []*row) {
	for _, r := range rows {
		if ctx.Err() != nil || b.texts.full() {
			return
		}
		_, _ = b.shown(r.id(), textKey{r.root, r.path(), r.hash}, r.size) // who asks for it is told why
	}
}
