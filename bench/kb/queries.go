package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kinds of queries, in the order of the report.
const (
	kindTerm    = "term"
	kindAnd     = "AND"
	kindPhrase  = "phrase"
	kindPrefix  = "prefix"
	kindTypo    = "typo"
	kindFilter  = "filter + facets"
	kindLiteral = "literal"

	known5    = "5 words"
	known3    = "3 words"
	knownTypo = "5 words, one misspelt"
)

var latencyKinds = []string{kindTerm, kindAnd, kindPhrase, kindPrefix, kindTypo, kindFilter, kindLiteral}

// query is a question with what was meant by it.
type query struct {
	Kind  string   `json:"kind"`
	Text  string   `json:"text"` // as ours is asked
	Words []string `json:"words"`
	Agent string   `json:"agent,omitempty"`
	Min   float64  `json:"min,omitempty"`  // confidence
	Want  string   `json:"want,omitempty"` // file that should be found
}

var (
	wordOf     = regexp.MustCompile(`[A-Za-z]{2,}`)
	sentenceOf = regexp.MustCompile(`[^.!?\n][^.!?]*[.!?]`)
)

// vocabulary counts in how many documents of a corpus each word is.
func vocabulary(c *corpus) (df map[string]int, err error) {
	df = map[string]int{}
	seen := map[string]bool{}
	for _, name := range c.files {
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			return nil, err
		}
		clear(seen)
		for _, w := range wordOf.FindAll(b, -1) {
			if w := strings.ToLower(string(w)); !seen[w] {
				seen[w] = true
				df[w]++
			}
		}
	}
	return df, nil
}

// body is a document without its title and labels.
func (c *corpus) body(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, name))
	_, text, _ := strings.Cut(string(b), "\n---\n")
	return text, err
}

// knownItems makes queries whose document is known: words of one sentence of it, chosen by chance among those that are in at
// most a tenth of all documents and in at least three, in their order. The third kind has one letter of the longest word
// changed, left out, doubled or exchanged with its neighbour.
func knownItems(c *corpus, df map[string]int, n int) ([]query, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []query
	for tries := 0; len(out) < 3*n && tries < 50*n; tries++ {
		name := c.files[rng.IntN(len(c.files))]
		text, err := c.body(name)
		if err != nil {
			return nil, err
		}
		sentences := sentenceOf.FindAllString(text, -1)
		if len(sentences) == 0 {
			continue
		}
		var words []string
		for _, w := range wordOf.FindAllString(sentences[rng.IntN(len(sentences))], -1) {
			w = strings.ToLower(w)
			if d := df[w]; len(w) >= 4 && w != "near" && d >= 3 && d <= len(c.files)/10 && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
		if len(words) < 5 {
			continue
		}
		for len(words) > 5 {
			i := rng.IntN(len(words))
			words = slices.Delete(words, i, i+1)
		}
		typo := slices.Clone(words)
		i := longest(typo)
		typo[i] = misspell(rng, typo[i])
		three := slices.Clone(words)
		for len(three) > 3 {
			i := rng.IntN(len(three))
			three = slices.Delete(three, i, i+1)
		}
		for _, q := range []query{{Kind: known5, Words: words}, {Kind: known3, Words: three}, {Kind: knownTypo, Words: typo}} {
			q.Text, q.Want = strings.Join(q.Words, " "), name
			out = append(out, q)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no sentence with five words in %s", c.dir)
	}
	return out, nil
}

func longest(words []string) int {
	best := 0
	for i, w := range words {
		if len(w) > len(words[best]) {
			best = i
		}
	}
	return best
}

func misspell(rng *rand.Rand, w string) string {
	b := []byte(w)
	i := 1 + rng.IntN(len(b)-2)
	switch rng.IntN(4) {
	case 0:
		b[i] = 'a' + (b[i]-'a'+1+byte(rng.IntN(24)))%26
	case 1:
		b = slices.Delete(b, i, i+1)
	case 2:
		b = slices.Insert(b, i, b[i])
	default:
		b[i], b[i+1] = b[i+1], b[i]
	}
	return string(b)
}

// latencyQueries makes n queries of each kind from the words of a corpus: a third frequent, a third middling, a third rare.
func latencyQueries(c *corpus, df map[string]int, n int) ([]query, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	words := make([]string, 0, len(df))
	for w, d := range df {
		if d >= 3 && len(w) >= 3 && !slices.Contains([]string{"or", "and", "not", "near"}, w) { // they mean something to some engine
			words = append(words, w)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		if d := df[b] - df[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	if len(words) < 1000 {
		return nil, fmt.Errorf("%d words are too few in %s", len(words), c.dir)
	}
	rare := min(3300, len(words)*2/3)
	pick := func(i int) string {
		switch i % 3 {
		case 0:
			return words[rng.IntN(300)]
		case 1:
			return words[300+rng.IntN(rare-300)]
		}
		return words[rare+rng.IntN(min(30000, len(words)-rare))]
	}
	var out []query
	for i := range n {
		w, v, f := pick(i), pick(i/3), pick(i)
		out = append(out, query{Kind: kindTerm, Text: w, Words: []string{w}}, query{Kind: kindAnd, Text: w + " " + v, Words: []string{w, v}})
		p := w[:max(3, len(w)*2/3)]
		out = append(out, query{Kind: kindPrefix, Text: p + "*", Words: []string{p}})
		agent, least := fmt.Sprintf("agent%d", rng.IntN(8)), float64(2+rng.IntN(8))/10
		out = append(out, query{Kind: kindFilter, Text: fmt.Sprintf("%s agent:%s confidence>=%.1f", f, agent, least), Words: []string{f}, Agent: agent, Min: least})
		for {
			if t := pick(i); len(t) >= 6 {
				if m := misspell(rng, t); df[m] == 0 {
					out = append(out, query{Kind: kindTypo, Text: m, Words: []string{m}})
					break
				}
			}
		}
	}
	phrases, err := phraseQueries(c, rng, n)
	if err != nil {
		return nil, err
	}
	literals, err := literalQueries(c, rng, n)
	return append(append(out, phrases...), literals...), err
}

// phraseQueries are two to four words that follow each other in some document.
func phraseQueries(c *corpus, rng *rand.Rand, n int) (out []query, err error) {
	for len(out) < n {
		text, err := c.body(c.files[rng.IntN(len(c.files))])
		if err != nil {
			return nil, err
		}
		sentences := sentenceOf.FindAllString(text, -1)
		if len(sentences) == 0 {
			continue
		}
		f := strings.Fields(sentences[rng.IntN(len(sentences))])
		if len(f) < 5 || slices.ContainsFunc(f, func(w string) bool { return wordOf.FindString(w) != strings.Trim(w, ".,;:") }) {
			continue
		}
		i := rng.IntN(len(f) - 3)
		f = f[i : i+2+rng.IntN(3)]
		for k := range f {
			f[k] = strings.Trim(f[k], ".,;:")
		}
		out = append(out, query{Kind: kindPhrase, Text: `"` + strings.Join(f, " ") + `"`, Words: f})
	}
	return out, nil
}

// literalQueries are pieces of lines, cut anywhere: what an index of words does not hold as it stands.
func literalQueries(c *corpus, rng *rand.Rand, n int) (out []query, err error) {
	for tries := 0; len(out) < n && tries < 100*n; tries++ {
		name := c.files[rng.IntN(len(c.files))]
		text, err := c.body(name)
		if err != nil {
			return nil, err
		}
		all := strings.Split(text, "\n")
		line := all[rng.IntN(len(all))]
		if len(line) < 30 {
			continue
		}
		from := rng.IntN(len(line) - 20)
		piece := line[from : from+8+rng.IntN(12)]
		if !utf8.ValidString(piece) || strings.Join(strings.Fields(piece), " ") != piece {
			continue
		}
		out = append(out, query{Kind: kindLiteral, Text: piece, Words: []string{piece}, Want: name})
	}
	return out, nil
}
