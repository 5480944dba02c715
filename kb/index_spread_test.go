package kb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	bleveindex "github.com/blevesearch/bleve_index_api"
)

// termList is a dictionary as the storage engine gives it.
type termList struct {
	next func() (string, bool)
}

func (l *termList) Next() (*bleveindex.DictEntry, error) {
	term, ok := l.next()
	if !ok {
		return nil, nil
	}
	return &bleveindex.DictEntry{Term: term}, nil
}

func TestADictionaryKnowsWhichTermsContainAText(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	letters := []rune("aabbccdefgü中+-.9")
	var terms []string
	for range 20_000 { // some hundred blocks
		term := make([]rune, 1+rng.IntN(14))
		for i := range term {
			term[i] = letters[rng.IntN(len(letters))]
		}
		terms = append(terms, string(term))
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	next, stop := iter.Pull(slices.Values(terms))
	defer stop()
	d, err := newDictionary(&termList{next})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.blocks) < 50 {
		t.Fatalf("%d blocks are too few to say anything", len(d.blocks))
	}
	passed := 0
	for i := range 400 {
		term := terms[rng.IntN(len(terms))]
		from := rng.IntN(len(term))
		text := term[from : from+1+rng.IntN(len(term)-from)]
		if i%4 == 3 {
			text += "zz" // nobody has that
		}
		var got, want []string
		for found := range d.containing([]byte(text)) {
			got = append(got, string(found))
		}
		for _, term := range terms {
			if strings.Contains(term, text) {
				want = append(want, term)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q is in %d terms, want %d", text, len(got), len(want))
		}
		wanted := slices.Collect(grams([]byte(text)))
		for _, b := range d.blocks {
			if len(wanted) > 3 && b.mayHave(wanted) {
				passed++
			}
		}
	}
	if most := 400 * len(d.blocks) / 4; passed > most {
		t.Errorf("%d blocks were looked through for long texts, of %d that there are", passed, 400*len(d.blocks))
	}
	for range d.containing([]byte("a")) {
		break // who wants no more gets no more
	}
}

// More documents than one goroutine looks at alone, in segments of different sizes.
func TestSegmentsThatAreSharedGiveOneAnswer(t *testing.T) {
	x := openIndex(t, t.TempDir())
	const n = 14_000
	var puts []*Parsed
	for i := range n {
		text := fmt.Sprintf("alpha beta%d gamma", i%40)
		switch {
		case i%100 == 7:
			text = "gamma alpha alpha delta"
		case i == 777:
			text += strings.Repeat(" alpha", 30)
		}
		p := parsed(fmt.Sprintf("d%05d", i), "", text)
		p.Agent, p.Tags = fmt.Sprintf("agent%d", i%3), []string{fmt.Sprintf("t%d", i%5)}
		puts = append(puts, p)
	}
	for gen, cut := uint64(1), 0; cut < n; gen++ {
		next := min(n, cut+1000*int(gen))
		apply(t, x, gen, puts[cut:next])
		cut = next
	}
	apply(t, x, 100, nil, "d00000", "d13999")

	r := find(t, x, "alpha gamma", SearchOptions{Facets: true, Limit: 5})
	check(t, "total", r.Total, n-2, "best", r.Hits[0].ID, "d00777")
	agents, tags := 0, 0
	for _, f := range r.Facets["agent"] {
		agents += f.Count
	}
	for _, f := range r.Facets["tag"] {
		tags += f.Count
	}
	check(t, "agents", agents, n-2, "tags", tags, n-2, "different tags", len(r.Facets["tag"]), 5)
	check(t, "phrase", find(t, x, `"alpha gamma"`, SearchOptions{}).Total, 0)
	check(t, "phrase of three", find(t, x, `"gamma alpha alpha"`, SearchOptions{}).Total, n/100+1)
	check(t, "prefix", find(t, x, "beta*", SearchOptions{}).Total, n-2-n/100)
	check(t, "word within words", find(t, x, "eta3", SearchOptions{}).Total, find(t, x, "beta3 OR beta30 OR beta31 OR beta32 OR beta33 OR beta34 OR beta35 OR beta36 OR beta37 OR beta38 OR beta39", SearchOptions{}).Total)
	check(t, "misspelt", find(t, x, "gammma", SearchOptions{}).Corrected[0], Correction{"gammma", "gamma"})

	// Pages put together are the whole, in the same order each time.
	whole := ids(find(t, x, "alpha gamma", SearchOptions{Limit: 1000}))
	var paged []string
	for cursor := ""; len(paged) < 1000; {
		page := find(t, x, "alpha gamma", SearchOptions{Limit: 100, Cursor: cursor})
		paged = append(paged, ids(page)...)
		cursor = page.Hits[len(page.Hits)-1].Cursor
	}
	if !slices.Equal(whole, paged) {
		for i := range whole {
			if whole[i] != paged[i] {
				t.Errorf("hit %d is %s on a page and %s in the whole, where it was %d", i, paged[i], whole[i], slices.Index(whole, paged[i]))
				break
			}
		}
	}
	for range 3 {
		if again := ids(find(t, x, "alpha gamma", SearchOptions{Limit: 1000})); !slices.Equal(whole, again) {
			t.Error("the order is not the same each time")
		}
	}
}

func TestPhrasesAreCountedWhereverTheyStand(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		text := make([]int, 1+rng.IntN(40))
		for i := range text {
			text[i] = rng.IntN(3)
		}
		phrase := make([]int, 2+rng.IntN(3))
		for i := range phrase {
			phrase[i] = rng.IntN(3)
		}
		want := 0
		for i := range text {
			if i+len(phrase) <= len(text) && slices.Equal(text[i:i+len(phrase)], phrase) {
				want++
			}
		}
		var starts []uint32
		for k, i := range rng.Perm(len(phrase)) {
			var list []uint32
			for at, w := range text {
				if w == phrase[i] {
					list = append(list, uint32(at))
				}
			}
			if k == 0 {
				starts = firstStarts(nil, list, uint32(i))
			} else {
				starts = keepStarts(starts, list, uint32(i))
			}
		}
		if len(starts) != want {
			t.Fatalf("%v is in %v %d times, got %v", phrase, text, want, starts)
		}
	}
}

// A word that stands once in one document, without a position, is kept in another form by the engine, which then miscounts all
// terms behind it.
func TestExpansionsAreCountedBehindARareWhole(t *testing.T) {
	x := openIndex(t, t.TempDir())
	var puts []*Parsed
	for i := range 60 {
		text := "aac"
		switch {
		case i == 0:
			text = "aa-b"
		case i < 4:
			text = "aab"
		}
		puts = append(puts, parsed(fmt.Sprintf("d%02d", i), "", text))
	}
	apply(t, x, 1, puts[:30])
	apply(t, x, 2, puts[30:])
	reader, err := x.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s := &search{x: x, ctx: t.Context()}
	if err := s.view(reader); err != nil {
		t.Fatal(err)
	}
	found := map[string]*candidate{}
	if err := s.expand(textField, nil, []byte("aa"), []byte("ab"), found); err != nil {
		t.Fatal(err)
	}
	for term, want := range map[string]uint64{"aa": 1, "aa-b": 1, "aab": 3, "aac": 56} {
		if c := found[term]; c == nil || c.count != want {
			t.Errorf("%q: %+v, want %d documents", term, c, want)
		}
	}
}

func TestWhatWasFoundUntilTimeWasUpIsGiven(t *testing.T) {
	x := openIndex(t, t.TempDir())
	apply(t, x, 1, []*Parsed{parsed("a", "", "alpha"), parsed("b", "", "alpha beta")})
	q, err := ParseQuery("alpha")
	if err != nil {
		t.Fatal(err)
	}
	r, err := x.Search(t.Context(), q, SearchOptions{Limit: 10, Time: 1})
	if err != nil || r == nil || !r.Truncated || r.Total != 0 {
		t.Errorf("without any time: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Search(ctx, q, SearchOptions{Limit: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("of one who has gone: %v", err)
	}
}
