package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"html"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// packages are Debian packages with documentation in prose: HTML, text, reStructuredText. They are unpacked, never installed.
// The first ones are enough for a small run.
var packages = []string{
	"sqlite3-doc", "python-django-doc", "postgresql-doc-15", "apache2-doc", "git-doc", "perl-doc", "vim-doc", "python3.11-doc", "libglib2.0-doc", "libgtk-3-doc",
	"erlang-doc", "qtbase5-doc-html", "libboost1.81-doc", "rust-doc", "python-sympy-doc", "libgtk-4-doc", "qtdeclarative5-doc-html", "python-pandas-doc",
	"openjdk-17-doc", "nodejs-doc", "debian-policy", "developers-reference", "libstdc++-12-doc", "maxima-doc", "octave-doc",
}

// corpusFormat is the version of what build writes; another one is built anew.
const corpusFormat = "2"

// mostOfOne bounds how many documents one package gives, so that none drowns the others.
const mostOfOne = 3500

// corpus is a folder of Markdown files.
type corpus struct {
	dir   string
	files []string // relative
	bytes int64
}

// corpora returns the unique documents, and all of them with recombined ones, from the cache or built into it, and the packages
// they were made of.
func corpora(ctx context.Context, cache string, unique, total int) (small, large *corpus, from string, err error) {
	dir := filepath.Join(cache, fmt.Sprintf("corpus-%s-%d-%d", corpusFormat, unique, total))
	stamp := filepath.Join(dir, "made-of")
	if b, err := os.ReadFile(stamp); err == nil {
		if small, err = list(filepath.Join(dir, "small")); err == nil {
			large, err = list(filepath.Join(dir, "large"))
		}
		return small, large, string(b), err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, nil, "", err
	}
	say("making a corpus of %d documents of Debian packages; it is kept in %s", total, dir)
	m := &maker{ctx: ctx, cache: cache, unique: unique, seen: map[uint64]bool{}, rng: rand.New(rand.NewPCG(7, 11))}
	m.small, m.large = &corpus{dir: filepath.Join(dir, "small")}, &corpus{dir: filepath.Join(dir, "large")}
	for _, name := range packages {
		if len(m.small.files) >= unique {
			break
		}
		if err := m.take(name); err != nil {
			return nil, nil, "", err
		}
	}
	if len(m.small.files) < unique {
		say("the packages gave %d unique documents of %d", len(m.small.files), unique)
	}
	if len(m.paragraphs) == 0 {
		return nil, nil, "", errors.New("no documentation package could be downloaded")
	}
	if err := m.recombine(total); err != nil {
		return nil, nil, "", err
	}
	from = strings.Join(m.from, ", ")
	return m.small, m.large, from, os.WriteFile(stamp, []byte(from), 0o644)
}

// maker makes documents of packages.
type maker struct {
	ctx          context.Context //nolint:containedctx // it lives as long as one call
	cache        string
	unique       int
	small, large *corpus
	from         []string
	seen         map[uint64]bool
	paragraphs   []string
	rng          *rand.Rand
}

// take downloads a package, unless the cache has it, and makes documents of its files.
func (m *maker) take(name string) error {
	debs := filepath.Join(m.cache, "debs")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	pattern := filepath.Join(debs, name+"_*.deb")
	found, _ := filepath.Glob(pattern)
	if len(found) == 0 {
		cmd := exec.CommandContext(m.ctx, "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", name)
		cmd.Dir = debs
		if out, err := cmd.CombinedOutput(); err != nil {
			if m.ctx.Err() != nil {
				return context.Cause(m.ctx)
			}
			say("%s is left out: %s", name, strings.TrimSpace(string(out)))
			return nil
		}
		if found, _ = filepath.Glob(pattern); len(found) == 0 {
			return nil
		}
	}
	root, err := os.MkdirTemp(m.cache, "unpacked-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	if out, err := exec.CommandContext(m.ctx, "dpkg-deb", "-x", found[0], root).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", found[0], err, out)
	}
	before := len(m.small.files)
	if err := m.read(root); err != nil {
		return err
	}
	m.from = append(m.from, name)
	say("%s: %d documents", name, len(m.small.files)-before)
	return nil
}

// Sizes of a document, in bytes.
const (
	minDocument = 600
	maxDocument = 9000
)

func (m *maker) read(root string) error {
	var paths []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(p) {
		case ".html", ".htm", ".txt", ".rst", ".pod", ".xhtml":
			if d.Type().IsRegular() {
				paths = append(paths, p)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.rng.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	most := min(m.unique, len(m.small.files)+mostOfOne)
	for _, p := range paths {
		if err := m.ctx.Err(); err != nil {
			return context.Cause(m.ctx)
		}
		info, err := os.Stat(p)
		if err != nil || info.Size() > 1<<20 {
			continue
		}
		b, err := os.ReadFile(p)
		if err != nil || !utf8.Valid(b) {
			continue
		}
		text := string(b)
		if strings.Contains(filepath.Ext(p), "htm") {
			text = strip(text)
		}
		for _, doc := range split(text, filepath.Base(p)) {
			if len(m.small.files) >= most {
				return nil
			}
			if err := m.keep(doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep adds a document that is prose and was not seen yet.
func (m *maker) keep(doc string) error {
	h := fnv.New64a()
	_, body, _ := strings.Cut(doc, "\n")
	_, _ = h.Write([]byte(body))
	if m.seen[h.Sum64()] || !prose(doc) {
		return nil
	}
	m.seen[h.Sum64()] = true
	for _, c := range []*corpus{m.small, m.large} {
		if err := c.add(doc); err != nil {
			return err
		}
	}
	if len(m.paragraphs) < 200_000 {
		for _, p := range strings.Split(doc, "\n\n")[1:] {
			if len(p) > 80 {
				m.paragraphs = append(m.paragraphs, p)
			}
		}
	}
	return nil
}

// recombine adds documents with paragraphs of several, as one video's insights are written to several agents.
func (m *maker) recombine(total int) error {
	for len(m.large.files) < total {
		var b strings.Builder
		title := strings.Fields(m.paragraphs[m.rng.IntN(len(m.paragraphs))])
		fmt.Fprintf(&b, "# %s\n", strings.Join(title[:min(5, len(title))], " "))
		for want := minDocument + m.rng.IntN(5600); b.Len() < want; {
			b.WriteString("\n" + m.paragraphs[m.rng.IntN(len(m.paragraphs))] + "\n")
		}
		if err := m.large.add(b.String()); err != nil {
			return err
		}
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
	}
	return nil
}

// add writes a document in the old layout, with labels: eight agents with twenty categories each, 97 creators.
func (c *corpus) add(text string) error {
	n := len(c.files)
	name := fmt.Sprintf("ai-agents/agent%d/category%02d/creator%d-v%06d-20250102.md", n%8, n/8%20, n%97, n)
	full := filepath.Join(c.dir, name)
	if n < 8*20 {
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
	}
	title, body, _ := strings.Cut(text, "\n")
	text = fmt.Sprintf("%s\n\n**Source:** Creator %d\n**Video ID:** v%06d\n**Confidence:** %d%%\n\n---\n%s", title, n%97, n, 20+n*37%80, body)
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		return err
	}
	at := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute) // long before any scan
	c.files = append(c.files, name)
	c.bytes += int64(len(text))
	return os.Chtimes(full, at, at)
}

// list reads the names of a corpus that was built earlier.
func list(dir string) (*corpus, error) {
	c := &corpus{dir: dir}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		c.files = append(c.files, filepath.ToSlash(rel))
		c.bytes += info.Size()
		return err
	})
	slices.Sort(c.files)
	return c, err
}

// part copies n files to another folder.
func (c *corpus) part(dir string, n int) (*corpus, error) {
	out := &corpus{dir: dir}
	n = min(n, len(c.files))
	for i := range n {
		name := c.files[i*len(c.files)/n]
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			return nil, err
		}
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(full, b, 0o644); err != nil {
			return nil, err
		}
		out.files, out.bytes = append(out.files, name), out.bytes+int64(len(b))
	}
	return out, nil
}

var (
	dropped  = regexp.MustCompile(`(?is)<(script|style|nav|head|svg|footer)\b.*?</(script|style|nav|head|svg|footer)>|<!--.*?-->`)
	heading  = regexp.MustCompile(`(?is)<h([1-6])[^>]*>(.*?)</h[1-6]>`)
	breaks   = regexp.MustCompile(`(?i)</?(p|div|table|ul|ol|dl|pre|section|blockquote)[^>]*>`)
	lines    = regexp.MustCompile(`(?i)<(br|li|tr|dt|dd)[^>]*>`)
	tags     = regexp.MustCompile(`<[^>]*>`)
	manyLine = regexp.MustCompile(`\n[ \t]*\n\s*`)
	manyGap  = regexp.MustCompile(`[ \t]+`)
)

// strip makes text of HTML: headings as in Markdown, paragraphs and list items as lines.
func strip(s string) string {
	s = dropped.ReplaceAllString(s, " ")
	s = heading.ReplaceAllString(s, "\n\n## $2\n\n")
	s = breaks.ReplaceAllString(s, "\n\n")
	s = lines.ReplaceAllString(s, "\n")
	s = html.UnescapeString(tags.ReplaceAllString(s, ""))
	s = manyGap.ReplaceAllString(strings.ReplaceAll(s, "\u00a0", " "), " ")
	return strings.TrimSpace(manyLine.ReplaceAllString(s, "\n\n"))
}

// split cuts a text into documents at its paragraphs, each with a title: its heading, else the name of the file.
func split(text, name string) []string {
	var (
		docs  []string
		b     strings.Builder
		title = strings.TrimSuffix(name, filepath.Ext(name))
	)
	flush := func() {
		if b.Len() >= minDocument {
			docs = append(docs, "# "+title+"\n"+b.String())
		}
		b.Reset()
	}
	for _, p := range strings.Split(text, "\n\n") {
		p = strings.TrimSpace(p)
		if p == "" || len(p) > maxDocument {
			continue
		}
		if h, ok := strings.CutPrefix(p, "## "); ok && len(h) < 120 {
			if b.Len() > maxDocument/3 {
				flush()
			}
			if b.Len() == 0 {
				title = strings.Join(strings.Fields(h), " ")
				continue
			}
		}
		if b.Len()+len(p) > maxDocument {
			flush()
		}
		b.WriteString("\n" + p + "\n")
	}
	flush()
	return docs
}

// prose reports whether a text is mostly words, and not a table of symbols or an index.
func prose(s string) bool {
	letters, words, ends := 0, 0, 0
	for _, r := range s {
		if unicode.IsLetter(r) || r == ' ' {
			letters++
		}
		if r == ' ' {
			words++
		}
		if r == '.' {
			ends++
		}
	}
	return letters*10 > len(s)*7 && words > 80 && ends > 4
}
