package kb

import (
	"cmp"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// nearness raises the best documents by how near to each other the words of the query stand in them, and sorts them again.
// It only ever raises, so the documents behind the best stay behind them.
func (s *search) nearness(p *plan, best []*ranked) error {
	var words []*slot
	for _, q := range p.scoring {
		if q.slots[0].field == textField {
			words = append(words, q.slots...)
		}
	}
	if len(words) < 2 || p.onePhrase() {
		return nil
	}
	n := min(len(best), nearest)
	defer slices.SortFunc(best[:n], compareFound) // also when time is up
	bySegment := make(map[int][]*ranked)
	for _, f := range best[:n] {
		bySegment[f.seg] = append(bySegment[f.seg], f)
	}
	lists := make([][]uint32, len(words))
	for i, fs := range bySegment {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		slices.SortFunc(fs, func(a, b *ranked) int { return cmp.Compare(a.doc, b.doc) })
		docs := roaring.New()
		for _, f := range fs {
			docs.Add(f.doc)
		}
		streams := make([]*positions, len(words))
		for k, w := range words {
			var err error
			if streams[k], err = w.positions(s.segs[i], docs); err != nil {
				return err
			}
		}
		for _, f := range fs {
			for k, st := range streams {
				var err error
				if lists[k], err = st.next(f.doc); err != nil {
					return err
				}
			}
			f.score += near(words, lists)
			f.key = f.score
		}
	}
	return nil
}

// onePhrase says that every document has the words of the query side by side, so that they are equally near in all.
func (p *plan) onePhrase() bool {
	return len(p.scoring) == 1 && slices.ContainsFunc(p.must, func(c *condition) bool { return c.seq == p.scoring[0] })
}

// near rates how near words stand: each pair of neighbours of the query by its least distance, and all of them by the
// shortest stretch that has them all.
func near(words []*slot, lists [][]uint32) (score float64) {
	var sum float64
	all := true
	for i, w := range words {
		sum += w.idf
		if len(lists[i]) == 0 {
			all = false
			continue
		}
		if i == 0 || len(lists[i-1]) == 0 {
			continue
		}
		if d := distance(lists[i-1], lists[i]); d <= 16 {
			score += pairWeight * (words[i-1].idf + w.idf) / 2 / float64(d)
		}
	}
	if all && len(words) > 2 {
		if span := stretch(lists); span <= 16*len(words) {
			score += windowWeight * sum * float64(len(words)) / float64(max(span, len(words)))
		}
	}
	return score
}

// distance is the least distance from a position of a to one of b: 1 if b follows a, one more than it is if it goes before.
func distance(a, b []uint32) int {
	least := math.MaxInt32
	for i, j := 0, 0; i < len(a) && j < len(b); {
		d := int(b[j]) - int(a[i])
		if d > 0 {
			least = min(least, d)
			i++
		} else {
			if d < 0 {
				least = min(least, 1-d)
			}
			j++
		}
	}
	return least
}

// stretch is the length of the shortest run of words that has a position of every list.
func stretch(lists [][]uint32) int {
	at := make([]int, len(lists))
	least := math.MaxInt32
	for {
		lo, hi, which := uint32(math.MaxUint32), uint32(0), 0
		for i, l := range lists {
			p := l[at[i]]
			if p < lo {
				lo, which = p, i
			}
			hi = max(hi, p)
		}
		least = min(least, int(hi-lo)+1)
		if at[which]++; at[which] == len(lists[which]) {
			return least
		}
	}
}
