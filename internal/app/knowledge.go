package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"controlcenter/internal/api"
	"controlcenter/internal/config"
	"controlcenter/kb"
)

// knowledge is the knowledge base of the daemon with what it needs of the other parts.
type knowledge struct {
	base     *kb.Base
	searcher *kb.Searcher
	index    *indexKeeper
	command  *scanCommand
	roots    []kb.Root
}

// openKnowledge builds the knowledge base; nothing runs yet. The store must be open. A broken index never keeps the daemon from
// starting.
func (d *daemonState) openKnowledge(ctx context.Context, c *config.Config) (err error) {
	k := &d.knowledge
	log := d.log.With("component", "kb")
	k.roots = knowledgeRoots(c)
	k.index = newIndexKeeper(filepath.Join(c.Storage.Path, "index"), log)
	if len(k.roots) > 0 {
		k.index.open(ctx)
		defer func() {
			if err != nil {
				_ = k.index.close() // the error that is returned says more
			}
		}()
	}
	k.base, err = kb.New(kb.Options{
		Store: d.store, Bus: &d.bus, Roots: k.roots, Index: k.index, Log: d.log, MaxFileSize: int64(c.Knowledge.MaxFileSize),
		Every: time.Duration(c.Knowledge.Scan.Every), Watch: c.Knowledge.Scan.Watch, WriteBack: c.Knowledge.WriteBack,
	})
	if err != nil {
		return fmt.Errorf("knowledge: %w", err)
	}
	k.searcher, err = kb.NewSearcher(k.base.Sources(k.index.now, k.index.damaged))
	if err != nil {
		return fmt.Errorf("knowledge: %w", err)
	}
	return nil
}

// runKnowledge starts the parts of the knowledge base. The index is closed after its users have ended.
func (d *daemonState) runKnowledge(g *group) {
	k := &d.knowledge
	g.hold("knowledge index", k.index.close)
	if len(k.roots) == 0 {
		return
	}
	g.run("knowledge index", func(ctx context.Context) error { return k.index.run(ctx, k.base.Rebuild) })
	g.run("knowledge", func(ctx context.Context) error {
		if err := k.base.Run(ctx); err != nil {
			return err //nolint:wrapcheck // the group names the part
		}
		return context.Cause(ctx)
	})
	g.run("knowledge scan command", k.command.run)
}

// forAPI is what the routes work with.
func (k *knowledge) forAPI(d *daemonState) *api.Knowledge {
	return &api.Knowledge{Base: k.base, Searcher: k.searcher, Bus: &d.bus, Roots: k.roots, Index: k.index.stats, Command: k.command}
}

func knowledgeRoots(c *config.Config) []kb.Root {
	roots := make([]kb.Root, len(c.Knowledge.Roots))
	for i, r := range c.Knowledge.Roots {
		roots[i] = kb.Root{ID: r.ID, Path: r.Path}
	}
	return roots
}

// indexKeeper holds the search index, and replaces it by a new one when it turns out to be damaged. Its methods may be called
// from any goroutine.
type indexKeeper struct {
	dir     string
	log     *slog.Logger
	current atomic.Pointer[kb.BleveIndex] // nil = there is none now
	broken  chan error                    // somebody found it damaged
	lost    bool                          // of run's: what was indexed must be indexed again
}

func newIndexKeeper(dir string, log *slog.Logger) *indexKeeper {
	return &indexKeeper{dir: dir, log: log, broken: make(chan error, 1)}
}

// open opens the index, or a new one in place of one that is damaged. After other errors there is none: searches read the files.
func (x *indexKeeper) open(ctx context.Context) {
	index, err := kb.Open(ctx, x.dir, kb.IndexOptions{})
	if bad, ok := errors.AsType[*kb.DamagedError](err); ok {
		x.log.Error("the search index is damaged and is built anew", "dir", x.dir, "err", bad)
		index, err = x.renew(ctx)
		x.lost = err == nil
	}
	if err != nil {
		x.log.Error("the search index cannot be opened; searches read the files, scans cannot be indexed", "dir", x.dir, "err", err)
		return
	}
	x.current.Store(index)
}

// renew puts what is there aside and opens a new index.
func (x *indexKeeper) renew(ctx context.Context) (*kb.BleveIndex, error) {
	aside, err := kb.SetIndexAside(x.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("set the damaged index aside: %w", err)
	}
	index, err := kb.Open(ctx, x.dir, kb.IndexOptions{})
	if err != nil {
		return nil, fmt.Errorf("make a new index: %w", err)
	}
	x.log.Info("a new search index was begun", "dir", x.dir, "damaged", aside)
	return index, nil
}

// damaged notes that the index must be replaced. It does not block.
func (x *indexKeeper) damaged(err error) {
	select {
	case x.broken <- err:
	default: // somebody said so already
	}
}

// run reads the whole index once in the background, and replaces it whenever it turns out to be damaged; rebuild is then called.
func (x *indexKeeper) run(ctx context.Context, rebuild func(context.Context) error) error {
	if x.lost {
		x.rebuild(ctx, rebuild)
	}
	if index := x.now(); index != nil {
		if err := index.Verify(ctx); err != nil && ctx.Err() == nil {
			if bad, ok := errors.AsType[*kb.DamagedError](err); ok {
				x.damaged(bad)
			} else {
				x.log.Error("the search index could not be checked", "err", err)
			}
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-x.broken:
			x.log.Error("the search index is damaged and is built anew", "dir", x.dir, "err", err)
			if old := x.current.Swap(nil); old != nil {
				if err := old.Close(); err != nil {
					x.log.Error("close the damaged index", "err", err)
				}
			}
			index, err := x.renew(ctx)
			if err != nil {
				x.log.Error("searches read the files until the next start", "err", err)
				continue
			}
			x.current.Store(index)
			select { // what was said of the old one
			case <-x.broken:
			default:
			}
			x.rebuild(ctx, rebuild)
		}
	}
}

func (x *indexKeeper) rebuild(ctx context.Context, rebuild func(context.Context) error) {
	if err := rebuild(ctx); err != nil && ctx.Err() == nil {
		x.log.Error("ask for a rebuild of the index", "err", err)
	}
}

// now returns the index, nil while there is none.
func (x *indexKeeper) now() *kb.BleveIndex { return x.current.Load() }

// close closes the index.
func (x *indexKeeper) close() error {
	if index := x.current.Swap(nil); index != nil {
		return index.Close() //nolint:wrapcheck // the group names the part
	}
	return nil
}

// stats says how large the index is; false = there is none.
func (x *indexKeeper) stats() (kb.IndexStats, bool) {
	index := x.now()
	if index == nil {
		return kb.IndexStats{}, false
	}
	st, err := index.Stats()
	return st, err == nil
}

var errNoIndex = errors.New("there is no search index now, see the log")

// Apply implements kb.Indexer.
func (x *indexKeeper) Apply(ctx context.Context, generation uint64, puts []*kb.Parsed, deletes []string) error {
	index := x.now()
	if index == nil {
		return errNoIndex
	}
	err := index.Apply(ctx, generation, puts, deletes)
	if bad, ok := errors.AsType[*kb.DamagedError](err); ok {
		x.damaged(bad)
	}
	return err //nolint:wrapcheck // of the index, to its user
}

// Generation implements kb.Indexer.
func (x *indexKeeper) Generation() (uint64, error) {
	index := x.now()
	if index == nil {
		return 0, errNoIndex
	}
	return index.Generation() //nolint:wrapcheck // of the index, to its user
}
