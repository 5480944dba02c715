// Command kb measures the search of the knowledge base beside what people use for the same: ripgrep, SQLite FTS5 and Xapian,
// all on this machine in one run, over prose of Debian's documentation packages. The packages are downloaded once into a cache
// folder and unpacked there; nothing is installed.
//
// It prints one report in Markdown and, with -o, puts it into that file's section. A full run takes some twenty minutes after
// the corpus is made, -small about three. It starts every program itself, on free ports of 127.0.0.1, and ends them all.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

//go:embed peers.py
var peersScript string

type options struct {
	binary, cache, output, python, rg string
	peers                             string // those that are measured
	small                             bool
	unique, total, each, known        int           // documents of the corpora, queries of a kind, known items
	rest                              time.Duration // before memory is read
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := child(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	var o options
	flag.StringVar(&o.binary, "binary", "bin/controlcenter", "our binary")
	flag.StringVar(&o.cache, "cache", filepath.Join(cache, "controlcenter-bench"), "folder for packages and corpora, kept")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "Python with xapian")
	flag.StringVar(&o.rg, "rg", "rg", "ripgrep")
	flag.StringVar(&o.output, "o", "", "Markdown file whose section to replace")
	flag.StringVar(&o.peers, "peers", "fts5,xapian,ripgrep", "what is measured beside ours, \"\" for nothing")
	flag.BoolVar(&o.small, "small", false, "a tenth of everything: to see that it works, not to quote")
	flag.IntVar(&o.unique, "unique", 0, "different documents (30000; 3000 with -small)")
	flag.IntVar(&o.total, "total", 0, "documents with recombined ones (100000; 10000 with -small)")
	flag.Parse()
	unique, total := o.unique, o.total
	o.unique, o.total, o.each, o.known, o.rest = 30_000, 100_000, 150, 500, 20*time.Second
	if o.small {
		o.unique, o.total, o.each, o.known, o.rest = 3_000, 10_000, 50, 150, 3*time.Second
	}
	if unique > 0 {
		o.unique = unique
	}
	if total > 0 {
		o.total = max(total, o.unique)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func say(format string, a ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", a...) }

// pause waits, or returns the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return errors.Join(errors.New("interrupted"), context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}

// set is one corpus with its queries and what was measured over it.
type set struct {
	*corpus
	queries     []query
	queriesFile string
	ours        *daemon
	engine      *answers
	peers       map[string]*peer
	rg          map[string]rig.Latencies
}

func run(ctx context.Context, o *options) error {
	if runtime.GOOS != "linux" {
		return errors.New("it measures on Linux only")
	}
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	small, large, from, err := corpora(ctx, o.cache, o.unique, o.total)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.cache, "run-") // beside the corpus: /tmp may be memory
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	script := filepath.Join(dir, "peers.py")
	if err := os.WriteFile(script, []byte(peersScript), 0o644); err != nil {
		return err
	}
	tiny, err := small.part(filepath.Join(dir, "603"), 603)
	if err != nil {
		return err
	}
	sets := []*set{{corpus: small}, {corpus: large}, {corpus: tiny}}
	for i, s := range sets {
		if err := s.ask(o, dir, i); err != nil {
			return err
		}
	}
	for i, s := range sets {
		if err := s.measure(ctx, o, filepath.Join(dir, fmt.Sprint("state", i)), script, i < 2); err != nil {
			return err
		}
	}
	text := report(o, sets[0], sets[1], sets[2], from)
	fmt.Println(text)
	return rig.WriteSection(o.output, "knowledge base", text)
}

// ask makes the queries of a corpus; those whose document is known only of the first, where no text occurs twice.
func (s *set) ask(o *options, dir string, i int) error {
	df, err := vocabulary(s.corpus)
	if err != nil {
		return err
	}
	if s.queries, err = latencyQueries(s.corpus, df, o.each); err != nil {
		return err
	}
	if i == 0 {
		known, err := knownItems(s.corpus, df, o.known)
		if err != nil {
			return err
		}
		s.queries = append(s.queries, known...)
	}
	s.queriesFile = filepath.Join(dir, fmt.Sprintf("queries%d.json", i))
	b, err := json.Marshal(s.queries)
	if err != nil {
		return err
	}
	return os.WriteFile(s.queriesFile, b, 0o644)
}

func (s *set) measure(ctx context.Context, o *options, dir, script string, peers bool) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	say("%d files, %.0f MB: ours", len(s.files), float64(s.bytes)/1e6)
	if s.ours, err = measureDaemon(ctx, o, s.corpus, dir, s.queries); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, self, "child", filepath.Join(dir, "state", "index"), s.queriesFile).Output()
	if err != nil {
		return fmt.Errorf("ask our index: %w: %s", err, stderrOf(err))
	}
	if err := json.Unmarshal(out, &s.engine); err != nil {
		return err
	}
	if !peers {
		return os.RemoveAll(dir)
	}
	s.peers = map[string]*peer{}
	for _, name := range peerNames {
		if !strings.Contains(o.peers, name) {
			continue
		}
		say("%d files: %s", len(s.files), name)
		if s.peers[name], err = measurePeer(ctx, o, s, name, script, dir); err != nil {
			return err
		}
	}
	if !strings.Contains(o.peers, "ripgrep") {
		return os.RemoveAll(dir)
	}
	say("%d files: ripgrep", len(s.files))
	if s.rg, err = measureRipgrep(ctx, o, s); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

func stderrOf(err error) string {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(e.Stderr)
	}
	return ""
}
