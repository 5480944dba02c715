package kb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a query may have at most.
const (
	MaxQueryRunes = 500 // after trimming
	MaxQueryBytes = 2000
	MaxQueryTerms = 32
)

// QueryError says what is wrong with a query and where. The API answers it with 422.
type QueryError struct {
	Column int    // of the character, from 1, in the query as it was given
	Msg    string // what is wrong and what is accepted
}

func (e *QueryError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Msg) }

// Query is a parsed query. It is never changed after [ParseQuery] and may be used from several goroutines.
type Query struct {
	Text string // as written, trimmed
	Sort Sort

	all   []*clause // every one is required
	terms int
}

// Sort is an order of hits. The zero value is by relevance.
type Sort struct {
	By      string // "" or relevance, modified, published, confidence, size
	Reverse bool   // oldest, lowest or smallest first; ignored for relevance
}

// SortNames are the accepted names of orders.
func SortNames() []string {
	return []string{"relevance", "modified", "published", "confidence", "size"}
}

type clauseKind uint8

const (
	kindWord   clauseKind = iota // text between two blanks
	kindPhrase                   // text between quotes
	kindRange
	kindOr // of its kids
)

// clause is one condition of a query.
type clause struct {
	kind   clauseKind
	not    bool
	field  string // "" = the text; title, creator, path hold words; the others whole values
	text   string
	prefix bool    // word*
	fuzzy  int     // word~1
	lo, hi float64 // of a range, both included; times in Unix seconds
	kids   []*clause
	column int
}

// fields are the names that may stand before a colon. The value says whether the field holds words, and not one value.
var fields = map[string]bool{
	"title": true, "creator": true, "path": true,
	"agent": false, "category": false, "tag": false, "status": false, "lang": false, "has": false, "sort": false,
}

// hasNames are the accepted values of has:.
var hasNames = []string{"insight", "entry", "code", "links", "transcript", "url", "video", "confidence", "warning"}

// ParseQuery reads a query: words (all required), "a phrase", -not, this OR that, pre*, fuzzy~1, the fields title: creator:
// agent: category: tag: path: status: lang: meta.KEY: has:, the ranges confidence>=0.8 published>2025-01 modified<=2025,
// and sort:modified (sort:-modified: oldest first). OR joins its two neighbours: "a OR b c" is (a or b) and c.
//
// Only a known name that is followed by a colon or comparison and then by something other than a blank is a field, so
// "denoise: 0.40" is text. An empty query means every document. Errors are of type *[QueryError].
func ParseQuery(s string) (*Query, error) {
	trimmed := strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s):
		return nil, &QueryError{1, "the text is not UTF-8"}
	case len(trimmed) > MaxQueryBytes:
		return nil, &QueryError{1, fmt.Sprintf("%d bytes are too many: at most %d", len(trimmed), MaxQueryBytes)}
	case utf8.RuneCountInString(trimmed) > MaxQueryRunes:
		return nil, &QueryError{1, fmt.Sprintf("%d characters are too many: at most %d", utf8.RuneCountInString(trimmed), MaxQueryRunes)}
	}
	p := &queryParser{src: s, q: &Query{Text: trimmed}}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.q, nil
}

type queryParser struct {
	src string
	i   int
	q   *Query
	or  bool // OR was read and waits for what follows
}

func (p *queryParser) run() error {
	for {
		p.blanks()
		if p.i >= len(p.src) {
			return nil
		}
		rest, or := strings.CutPrefix(p.src[p.i:], "OR")
		if or && blankAt(rest, 0) && strings.TrimSpace(rest) != "" && len(p.q.all) > 0 && !p.or { // elsewhere it is a word like any other
			p.or = true
			p.i += 2
			continue
		}
		c, err := p.clause()
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		if err := p.add(c); err != nil {
			return err
		}
	}
}

func (p *queryParser) add(c *clause) error {
	if p.q.terms++; p.q.terms > MaxQueryTerms {
		return &QueryError{c.column, fmt.Sprintf("too many terms: at most %d", MaxQueryTerms)}
	}
	if !p.or {
		p.q.all = append(p.q.all, c)
		return nil
	}
	p.or = false
	last := p.q.all[len(p.q.all)-1]
	if last.kind != kindOr {
		last = &clause{kind: kindOr, kids: []*clause{last}, column: last.column}
		p.q.all[len(p.q.all)-1] = last
	}
	last.kids = append(last.kids, c)
	return nil
}

// clause reads one condition; nil if it was one that only changes the order.
func (p *queryParser) clause() (*clause, error) {
	c := &clause{column: p.column(p.i)}
	if r, n := utf8.DecodeRuneInString(p.src[min(p.i+1, len(p.src)):]); p.src[p.i] == '-' && n > 0 && (r == '"' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
		c.not = true
		p.i++
	}
	name, op := p.field()
	switch {
	case name == "":
	case name == "confidence" || name == "published" || name == "modified":
		return c, p.interval(c, name, op)
	default:
		c.field = name
	}
	column := p.column(p.i)
	if p.src[p.i] == '"' {
		end := strings.IndexByte(p.src[p.i+1:], '"')
		if end < 0 {
			return nil, &QueryError{column, `the quote is not closed`}
		}
		c.kind, c.text = kindPhrase, p.src[p.i+1:p.i+1+end]
		p.i += end + 2
		if strings.TrimSpace(c.text) == "" {
			return nil, &QueryError{column, "there is nothing between the quotes"}
		}
	} else {
		c.text = p.word()
		p.suffix(c)
	}
	switch c.field {
	case "sort":
		return nil, p.sort(c)
	case "has":
		for _, n := range hasNames {
			if strings.EqualFold(c.text, n) || strings.EqualFold(c.text, n+"s") {
				c.text = n
				return c, nil
			}
		}
		return nil, &QueryError{column, fmt.Sprintf("has:%s is not known: accepted are %s", c.text, strings.Join(hasNames, ", "))}
	}
	return c, nil
}

// field reads the name of a field and what follows it: ":" or a comparison. Nothing is read if there is no field.
func (p *queryParser) field() (name, op string) {
	rest := p.src[p.i:]
	end := strings.IndexFunc(rest, func(r rune) bool {
		return r == ':' || r == '<' || r == '>' || r == '=' || r == '"' || unicode.IsSpace(r)
	})
	if end <= 0 {
		return "", ""
	}
	name = strings.ToLower(rest[:end])
	after := rest[end:]
	switch name {
	case "confidence", "published", "modified":
		for _, op := range []string{">=", "<=", ">", "<", "=", ":"} {
			if strings.HasPrefix(after, op) {
				if op == ":" && blankAt(after, 1) {
					return "", ""
				}
				p.i += end + len(op)
				return name, op
			}
		}
		return "", ""
	}
	_, known := fields[name]
	if key, ok := strings.CutPrefix(name, "meta."); ok && key != "" {
		known = true
	}
	if !known || after[0] != ':' || blankAt(after, 1) {
		return "", ""
	}
	p.i += end + 1
	return name, ":"
}

// interval reads the value of a range.
func (p *queryParser) interval(c *clause, name, op string) error {
	column := p.column(p.i)
	text := p.word()
	if text == "" {
		return &QueryError{column, fmt.Sprintf("%s%s needs a value", name, op)}
	}
	c.kind, c.field, c.text = kindRange, name, text
	if name == "confidence" {
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > 100 {
			return &QueryError{column, fmt.Sprintf("confidence %q: must be between 0 and 1, or 0%% and 100%%", text)}
		}
		if v > 1 || strings.HasSuffix(text, "%") {
			v /= 100
		}
		v = float64(float32(v)) // as it is kept
		switch op {
		case ">=":
			c.lo, c.hi = v, 1
		case ">":
			c.lo, c.hi = math.Nextafter(v, 2), 1
		case "<=":
			c.lo, c.hi = 0, v
		case "<":
			c.lo, c.hi = 0, math.Nextafter(v, -1)
		default:
			c.lo, c.hi = v, v
		}
		return nil
	}
	from, to, ok := period(text)
	if !ok {
		return &QueryError{column, fmt.Sprintf("%s %q: must be a time such as 2025, 2025-01, 2025-01-31 or 2025-01-31T12:00:00Z", name, text)}
	}
	first, last := float64(from.Unix()), float64(to.Unix()-1)
	switch op {
	case ">=":
		c.lo, c.hi = first, math.Inf(1)
	case ">":
		c.lo, c.hi = last+1, math.Inf(1)
	case "<=":
		c.lo, c.hi = noTime+1, last
	case "<":
		c.lo, c.hi = noTime+1, first-1
	default:
		c.lo, c.hi = first, last
	}
	return nil
}

// noTime stands for a time that is not known; every other one is later.
const noTime = -1 << 52

// period returns the time that a text names: a year, month, day or second, the end not included.
func period(s string) (from, to time.Time, ok bool) {
	for _, f := range []struct {
		layout              string
		years, months, days int
	}{{"2006", 1, 0, 0}, {"2006-01", 0, 1, 0}, {"2006-01-02", 0, 0, 1}} {
		if t, err := time.Parse(f.layout, s); err == nil && t.Year() > 0 {
			return t, t.AddDate(f.years, f.months, f.days), true
		}
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	return t, t.Add(time.Second), err == nil
}

func (p *queryParser) sort(c *clause) error {
	s, err := ParseSort(c.text)
	if err != nil {
		return &QueryError{c.column, err.Error()}
	}
	p.q.Sort = s
	return nil
}

// ParseSort reads the name of an order, with a leading minus for the reverse.
func ParseSort(name string) (Sort, error) {
	plain, reverse := strings.CutPrefix(strings.ToLower(name), "-")
	for _, n := range SortNames() {
		if plain == n {
			if n == "relevance" {
				return Sort{}, nil
			}
			return Sort{By: n, Reverse: reverse}, nil
		}
	}
	return Sort{}, fmt.Errorf("sort:%s is not known: accepted are %s, with - for the reverse", name, strings.Join(SortNames(), ", "))
}

// word reads up to the next blank.
func (p *queryParser) word() string {
	rest := p.src[p.i:]
	end := strings.IndexFunc(rest, unicode.IsSpace)
	if end < 0 {
		end = len(rest)
	}
	p.i += end
	return rest[:end]
}

// suffix takes * and ~N from the end of a word.
func (p *queryParser) suffix(c *clause) {
	if t, ok := strings.CutSuffix(c.text, "*"); ok && t != "" && lastIsWord(t) {
		c.text, c.prefix = t, true
		return
	}
	t, n, ok := strings.Cut(c.text, "~")
	if !ok || !lastIsWord(t) {
		return
	}
	switch n {
	case "", "1":
		c.text, c.fuzzy = t, 1
	case "2":
		c.text, c.fuzzy = t, 2
	}
}

func lastIsWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

func (p *queryParser) blanks() {
	p.i = len(p.src) - len(strings.TrimLeftFunc(p.src[p.i:], unicode.IsSpace))
}

// blankAt reports whether there is nothing or a blank at i.
func blankAt(s string, i int) bool {
	if i >= len(s) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return unicode.IsSpace(r)
}

func (p *queryParser) column(i int) int { return utf8.RuneCountInString(p.src[:i]) + 1 }

// Literal returns the text that a literal search of this query looks for, and whether one makes sense: it does for words and
// phrases without operators and fields.
func (q *Query) Literal() (text string, ok bool) {
	for _, c := range q.all {
		if c.not || c.field != "" || c.prefix || c.fuzzy > 0 || c.kind == kindOr || c.kind == kindRange {
			return "", false
		}
	}
	switch {
	case len(q.all) == 0:
		return "", false
	case len(q.all) == 1:
		return strings.TrimSpace(q.all[0].text), true
	}
	for _, c := range q.all {
		if c.kind == kindPhrase {
			return "", false
		}
	}
	return strings.Join(strings.Fields(q.Text), " "), true
}

// words calls f for the words and phrases of the text that a document may have, in their order.
func (q *Query) words(f func(*clause)) {
	var walk func([]*clause)
	walk = func(cs []*clause) {
		for _, c := range cs {
			switch {
			case c.not:
			case c.kind == kindOr:
				walk(c.kids)
			case c.kind != kindRange && (c.field == "" || fields[c.field]):
				f(c)
			}
		}
	}
	walk(q.all)
}
