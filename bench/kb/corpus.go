package main

import (
	"context"
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
	"unicode"
	"unicode/utf8"
)

// packages are Debian packages with documentation in prose: HTML, text, reStructuredText. They are unpacked, never installed.
var packages = []string{
	"python3.11-doc", "postgresql-doc-15", "openjdk-17-doc", "libboost1.81-doc", "qtbase5-doc-html", "qtdeclarative5-doc-html",
	"erlang-doc", "libstdc++-12-doc", "rust-doc", "sqlite3-doc", "python-sympy-doc", "python-pandas-doc", "apache2-doc",
	"libgtk-3-doc", "libgtk-4-doc", "libglib2.0-doc", "vim-doc", "perl-doc", "python-django-doc", "octave-doc", "git-doc",
	"zsh-doc", "scilab-doc", "developers-reference", "debian-policy", "nodejs-doc", "maxima-doc", "linux-doc-6.1",
}

// corpus is a folder of Markdown files.
type corpus struct {
	dir   string
	files []string // relative
	bytes int64
}

// fetch downloads and unpacks the packages into dir, those that the archive has, with apt's state kept in dir.
func fetch(ctx context.Context, dir string) (from []string, err error) {
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	for _, name := range packages {
		debs, _ := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
		if len(debs) == 0 {
			cmd := exec.CommandContext(ctx, "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", name)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				say("%s is left out: %s", name, strings.TrimSpace(string(out)))
				continue
			}
			debs, _ = filepath.Glob(filepath.Join(dir, name+"_*.deb"))
			if len(debs) == 0 {
				continue
			}
			if out, err := exec.CommandContext(ctx, "dpkg", "-x", debs[0], root).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("unpack %s: %w: %s", debs[0], err, out)
			}
		}
		from = append(from, strings.TrimSuffix(filepath.Base(debs[0]), ".deb"))
	}
	if len(from) == 0 {
		return nil, fmt.Errorf("no documentation package could be downloaded")
	}
	return from, nil
}

// Sizes of a document, in bytes.
const (
	minDocument = 600
	maxDocument = 9000
)

// build writes the unique documents to one folder, and all of them with recombined ones to another: those take paragraphs of
// several documents, as one video's insights are written to several agents.
func build(ctx context.Context, root, dir string, unique, total int) (small, large *corpus, err error) {
	small, large = &corpus{dir: filepath.Join(dir, "small")}, &corpus{dir: filepath.Join(dir, "large")}
	var paths []string
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
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
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(7, 11))
	rng.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	var (
		seen       = map[uint64]bool{}
		paragraphs []string
	)
	for _, p := range paths {
		if len(small.files) >= unique {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		info, err := os.Stat(p)
		if err != nil || info.Size() > 4<<20 {
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
			h := fnv.New64a()
			_, _ = h.Write([]byte(doc))
			if seen[h.Sum64()] || !prose(doc) || len(small.files) >= unique {
				continue
			}
			seen[h.Sum64()] = true
			for _, c := range []*corpus{small, large} {
				if err := c.add(doc); err != nil {
					return nil, nil, err
				}
			}
			if len(paragraphs) < 200_000 {
				for _, para := range strings.Split(doc, "\n\n")[1:] {
					if len(para) > 80 {
						paragraphs = append(paragraphs, para)
					}
				}
			}
		}
	}
	for len(large.files) < total && len(paragraphs) > 0 {
		var b strings.Builder
		p := paragraphs[rng.IntN(len(paragraphs))]
		fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(p)[:min(5, len(strings.Fields(p)))], " "))
		for want := minDocument + rng.IntN(5600); b.Len() < want; {
			b.WriteString("\n" + paragraphs[rng.IntN(len(paragraphs))] + "\n")
		}
		if err := large.add(b.String()); err != nil {
			return nil, nil, err
		}
	}
	return small, large, nil
}

func (c *corpus) add(text string) error {
	n := len(c.files)
	name := fmt.Sprintf("ai-agents/agent%d/category%02d/creator%d-v%06d-20250102.md", n%8, n/8%20, n%97, n)
	full := filepath.Join(c.dir, name)
	if n < 8*20*2 || n%160 == 0 {
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		return err
	}
	c.files = append(c.files, name)
	c.bytes += int64(len(text))
	return nil
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
