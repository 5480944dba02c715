package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxFile bounds the configuration and .env: 200 services with everything set are about 200 KiB.
	maxFile = 1 << 20
	// maxDepth bounds the nesting of the file; the deepest key has 6 levels. The parser below recurses once per level.
	maxDepth = 64
	// maxMarks bounds the keys and list entries of the file: the parser's time grows with their square (130,000 keys took
	// 50 s, 20,000 take 1 to 5 s); 200 services with everything set have about 8,000.
	maxMarks = 20_000
)

// readBounded reads a file of at most maxFile bytes.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, &os.PathError{Op: "read", Path: name, Err: errors.New("is a folder, not a file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &os.PathError{Op: "read", Path: name, Err: errors.New("larger than 1 MiB")}
	}
	return data, err
}

// document is one configuration file while it is read into a struct.
type document struct {
	name     string // shown in errors and sources
	dir      string // relative paths are below it
	lines    []string
	problems []Problem
	sources  map[string]Source
	places   map[string]place // of values, and of the keys of sections, for checks after the file was read
}

// place is a position in the file, from 1; columns count characters.
type place struct{ line, column int }

func newDocument(name, dir string, data []byte) *document {
	return &document{name: name, dir: dir, lines: strings.Split(string(data), "\n"), sources: map[string]Source{}, places: map[string]place{}}
}

func (d *document) report(at place, key, text string) { d.add(at, key, text, true) }

// add records a problem; withLine shows the line it is in.
func (d *document) add(at place, key, text string, withLine bool) {
	if len(d.problems) == maxProblems {
		d.problems = append(d.problems, Problem{Source: Source{"file", d.name}, Text: "more problems are not listed"})
	}
	if len(d.problems) > maxProblems {
		return
	}
	at.line = min(max(at.line, 1), len(d.lines))
	at.column = max(at.column, 1)
	p := Problem{Key: clean(key), Text: clean(text), Source: d.source(at), Line: at.line, Column: at.column}
	if withLine {
		p.Excerpt = excerpt(hideSecrets(d.lines[at.line-1]), at.line, at.column)
	}
	d.problems = append(d.problems, p)
}

func (d *document) source(at place) Source {
	return Source{"file", fmt.Sprintf("%s:%d", d.name, at.line)}
}

// parse returns the top of the one document in data, nil when the file holds nothing. Anchors, aliases, tags and directives
// are refused before the parser sees them: no key needs them, and what they expand to has no bound.
func (d *document) parse(data []byte) (top ast.Node) {
	if at := bytes.IndexByte(data, 0); at >= 0 || !utf8.Valid(data) {
		d.report(d.firstInvalid(), "", "not UTF-8 text")
		return nil
	}
	// The library panics on some broken inputs that its fuzzing has not met; for us that is a syntax error like others.
	defer func() {
		if r := recover(); r != nil {
			d.report(place{1, 1}, "", "not YAML: the parser gave up")
			top = nil
		}
	}()
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if !d.bounded(tokens) {
		return nil
	}
	// Keys given twice are found by decode, which goes on to the next problem; the parser would stop.
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var bad yaml.Error
		if errors.As(err, &bad) && bad.GetToken() != nil {
			d.report(placeOf(bad.GetToken()), "", "not YAML: "+strings.ReplaceAll(bad.GetMessage(), "'\t'", "TAB"))
		} else {
			d.report(place{1, 1}, "", "not YAML: "+err.Error())
		}
		return nil
	}
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if top != nil {
			d.report(placeOf(startOf(doc.Body)), "", "a second document; accepted: one")
			return nil
		}
		top = doc.Body
	}
	return top
}

func (d *document) firstInvalid() place {
	for i, line := range d.lines {
		column := 1
		for at, r := range line {
			if r == 0 || r == utf8.RuneError && !strings.HasPrefix(line[at:], "\ufffd") {
				return place{i + 1, column}
			}
			column++
		}
	}
	return place{1, 1}
}

// bounded refuses what the parser must not be given.
func (d *document) bounded(tokens token.Tokens) bool {
	flow, line, marks := 0, 0, 0
	seen := map[token.Type]bool{}
	var block []int // columns of the open block levels
	for _, t := range tokens {
		first := t.Position.Line != line
		line = t.Position.Line
		switch t.Type {
		case token.MappingValueType, token.MappingKeyType, token.SequenceEntryType: // ":", "?", "-"
			if marks++; marks > maxMarks {
				d.report(placeOf(t), "", "more than "+itoa(maxMarks)+" keys and list entries")
				return false
			}
		case token.DocumentHeaderType, token.DocumentEndType:
			if seen[t.Type] || t.Type == token.DocumentHeaderType && marks+flow > 0 {
				d.report(placeOf(t), "", "a second document; accepted: one")
				return false
			}
			seen[t.Type] = true
		}
		switch t.Type {
		case token.AnchorType, token.AliasType:
			d.report(placeOf(t), "", "anchors and aliases are not accepted; write the value out")
			return false
		case token.TagType:
			d.report(placeOf(t), "", "tags are not accepted")
			return false
		case token.DirectiveType:
			d.report(placeOf(t), "", "directives are not accepted")
			return false
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType:
			first = true // "- - -" opens a level each
		}
		if first && flow == 0 {
			for len(block) > 0 && block[len(block)-1] >= t.Position.Column {
				block = block[:len(block)-1]
			}
			block = append(block, t.Position.Column)
		}
		if flow+len(block) > maxDepth {
			d.report(placeOf(t), "", "nested deeper than "+itoa(maxDepth)+" levels")
			return false
		}
	}
	return true
}

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}
