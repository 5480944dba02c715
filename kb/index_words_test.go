package kb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestWordsKeepTheirCountsAndPositions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 50 { // the tables are used again, and grow on the way
		var texts []string
		for range 1 + rng.IntN(4) {
			words := make([]string, rng.IntN(60*(round+1)))
			for i := range words {
				words[i] = fmt.Sprintf("w%d", int(rng.ExpFloat64()*float64(10*round+1)))
				if rng.IntN(20) == 0 {
					words[i] += "-part" // a whole, beside its parts
				}
			}
			texts = append(texts, strings.Join(words, " "))
		}
		want, counts, base, last := map[string][]uint32{}, map[string]int{}, 0, 0
		for _, text := range texts {
			tokenize(text, func(tk token) {
				counts[string(tk.term)]++
				if !tk.whole {
					last = base + tk.pos
					want[string(tk.term)] = append(want[string(tk.term)], uint32(last))
				}
			})
			base = last + gap
		}
		f := &wordsField{texts: texts}
		f.Analyze()
		got, words := map[string][]uint32{}, 0
		for term, tf := range f.freqs {
			if tf.Frequency() != counts[term] {
				t.Errorf("%q is there %d times, want %d", term, tf.Frequency(), counts[term])
			}
			for _, l := range tf.Locations {
				got[term] = appendPositions(nil, uint64(l.Position), uint64(l.Start), uint64(l.End), l.ArrayPositions)
				words += len(got[term])
			}
		}
		if len(f.freqs) != len(counts) || f.words() != words || !maps.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("round %d: %d terms, want %d; %d words, of %d places", round, len(f.freqs), len(counts), f.words(), words)
		}
	}
}

func BenchmarkWords(b *testing.B) {
	text := strings.Repeat("The quick brown ip-adapter jumps over denoise: 0.40, and naive users of n8n. ", 40)
	b.ReportAllocs()
	for b.Loop() {
		(&wordsField{texts: []string{text}}).Analyze()
	}
}
