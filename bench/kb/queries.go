package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

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

// knownItems makes queries whose document is known: words of one sentence of it, chosen by chance among those that are in at
// most a tenth of all documents and in at least three, in their order. The third kind has one letter changed, left out, doubled
// or exchanged with its neighbour.
func knownItems(c *corpus, df map[string]int, n int) ([]query, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []query
	for tries := 0; len(out) < 3*n && tries < 50*n; tries++ {
		name := c.files[rng.IntN(len(c.files))]
		b, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			return nil, err
		}
		sentences := sentenceOf.FindAllString(string(b), -1)
		if len(sentences) == 0 {
			continue
		}
		var words []string
		for _, w := range wordOf.FindAllString(sentences[rng.IntN(len(sentences))], -1) {
			w = strings.ToLower(w)
			if d := df[w]; len(w) >= 4 && w != "or" && d >= 3 && d <= len(c.files)/10 && !slices.Contains(words, w) {
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
		out = append(out, query{"5 words", strings.Join(words, " "), name}, query{"3 words", strings.Join(three, " "), name},
			query{"5 words, a typo", strings.Join(typo, " "), name})
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

// latencyQueries makes queries of each kind from the words of a corpus: a third frequent, a third middling, a third rare.
func latencyQueries(c *corpus, df map[string]int, n int) ([]query, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	words := make([]string, 0, len(df))
	for w, d := range df {
		if d >= 3 && len(w) >= 3 && w != "or" && w != "and" && w != "not" {
			words = append(words, w)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		if d := df[b] - df[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	pick := func(i int) string {
		switch i % 3 {
		case 0:
			return words[rng.IntN(min(300, len(words)))]
		case 1:
			return words[300+rng.IntN(min(3000, len(words)-300))]
		}
		return words[min(3300, len(words)-1)+rng.IntN(max(1, min(30000, len(words)-3300)))]
	}
	var out []query
	for i := range n {
		w := pick(i)
		out = append(out, query{Kind: "term", Text: w}, query{Kind: "AND", Text: pick(i) + " " + pick(i/3)},
			query{Kind: "prefix", Text: w[:max(3, len(w)*2/3)] + "*"},
			query{Kind: "filter + facets", Text: fmt.Sprintf("%s agent:agent%d confidence>=0.%d", pick(i), rng.IntN(8), rng.IntN(9))})
		for {
			if t := pick(i); len(t) >= 6 {
				if m := misspell(rng, t); df[m] == 0 {
					out = append(out, query{Kind: "typo", Text: m})
					break
				}
			}
		}
	}
	for len(out) < 6*n {
		b, err := os.ReadFile(filepath.Join(c.dir, c.files[rng.IntN(len(c.files))]))
		if err != nil {
			return nil, err
		}
		sentences := sentenceOf.FindAllString(string(b), -1)
		if len(sentences) == 0 {
			continue
		}
		f := strings.Fields(sentences[rng.IntN(len(sentences))])
		if len(f) < 5 || slices.ContainsFunc(f, func(w string) bool { return wordOf.FindString(w) != strings.Trim(w, ".,;:") }) {
			continue
		}
		i := rng.IntN(len(f) - 3)
		out = append(out, query{Kind: "phrase", Text: `"` + strings.Join(f[i:i+2+rng.IntN(3)], " ") + `"`})
	}
	return out, nil
}
