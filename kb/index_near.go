package kb

import "unicode/utf8"

// nearWords is an automaton of the storage engine that takes the words within one or two edits of a word. An edit is a letter
// more, a letter less, another letter, or two neighbours in each other's place. Its states are made when they are met, which are
// few of those there could be: the engine's own tables take half a megabyte for a word of eight letters, and a garbage collection
// for each thirty of them. One goroutine may use it.
type nearWords struct {
	edits  int
	end    uint64            // the bit behind the last letter
	class  [128]uint8        // of ASCII letters: which of masks, the first for those that are not in the word
	masks  []uint64          // bit i: the word's letter i is this one
	others map[rune]uint64   // of letters that are not ASCII
	states []nearState       // 0 is the end of all hope, 1 the start
	next   []int32           // by state and class: the state plus one, 0 = not known yet
	ids    map[nearState]int // of states
}

// nearState says what of the word may be behind us.
type nearState struct {
	at   [3]uint64 // by edits made, bit i: i letters are
	swap [2]uint64 // by edits made, bit i: i letters are, and the letter after the next has come in the place of the next
	part uint32    // bytes of a letter that has begun
}

// maxNearLetters is what a word may have: its places are the bits of a number.
const maxNearLetters = 63

// newNearWords returns nil for a word that is too long to have neighbours.
func newNearWords(word string, edits int) *nearWords {
	letters := []rune(word)
	if len(letters) > maxNearLetters {
		return nil
	}
	a := &nearWords{edits: min(max(edits, 1), 2), end: 1 << len(letters), masks: []uint64{0}, others: map[rune]uint64{}, ids: map[nearState]int{}}
	for i, r := range letters {
		bit := uint64(1) << i
		switch {
		case r >= utf8.RuneSelf:
			a.others[r] |= bit
		case a.class[r] == 0:
			a.class[r] = uint8(len(a.masks))
			a.masks = append(a.masks, bit)
		default:
			a.masks[a.class[r]] |= bit
		}
	}
	a.id(nearState{})
	a.id(a.lessen(nearState{at: [3]uint64{1}}))
	return a
}

// id returns the number of a state.
func (a *nearWords) id(s nearState) int {
	n, ok := a.ids[s]
	if !ok {
		n = len(a.states)
		a.ids[s] = n
		a.states = append(a.states, s)
		a.next = append(a.next, make([]int32, len(a.masks))...)
	}
	return n
}

// lessen adds the states that letters left out lead to, and drops places that are there with fewer edits.
func (a *nearWords) lessen(s nearState) nearState {
	all := a.end<<1 - 1
	s.at[0] &= all
	for e := 1; e <= a.edits; e++ {
		s.at[e] = (s.at[e] | s.at[e-1]<<1) & all
	}
	s.at[2] &^= s.at[0] | s.at[1]
	s.at[1] &^= s.at[0]
	return s
}

// step goes on by a letter; mask says where the word has it.
func (a *nearWords) step(s nearState, mask uint64) nearState {
	var n nearState
	for e := range a.edits + 1 {
		n.at[e] |= s.at[e] & mask << 1
		if e == a.edits {
			break
		}
		n.at[e+1] |= s.at[e] | s.at[e]<<1 // a letter more, another letter
		n.at[e+1] |= s.swap[e] & mask << 2
		n.swap[e] = s.at[e] & (mask >> 1)
	}
	return a.lessen(n)
}

// Accept returns the state after one more byte.
func (a *nearWords) Accept(state int, b byte) int {
	if state == 0 {
		return 0
	}
	s := a.states[state]
	if b < utf8.RuneSelf && s.part == 0 {
		class := a.class[b]
		at := state*len(a.masks) + int(class)
		if a.next[at] == 0 {
			id := a.id(a.step(s, a.masks[class])) // may move a.next
			a.next[at] = int32(id + 1)
		}
		return int(a.next[at] - 1)
	}
	var letter []byte
	for shift := 16; shift >= 0; shift -= 8 {
		if p := byte(s.part >> shift); p != 0 {
			letter = append(letter, p)
		}
	}
	letter = append(letter, b)
	if !utf8.FullRune(letter) {
		s.part = s.part<<8 | uint32(b)
		return a.id(s)
	}
	r, size := utf8.DecodeRune(letter)
	if r == utf8.RuneError && size == 1 {
		return 0
	}
	s.part = 0
	return a.id(a.step(s, a.others[r]))
}

// Start returns the state before the first byte.
func (a *nearWords) Start() int { return 1 }

// IsMatch says whether a word may end here.
func (a *nearWords) IsMatch(state int) bool { return a.distance(state) >= 0 }

// CanMatch says whether some continuation matches.
func (a *nearWords) CanMatch(state int) bool { return state != 0 }

// WillAlwaysMatch says whether each continuation does.
func (a *nearWords) WillAlwaysMatch(int) bool { return false }

// distance is the number of edits to a word that ends here, below 0 when none does.
func (a *nearWords) distance(state int) int {
	s := &a.states[state]
	if s.part == 0 {
		for e, at := range s.at {
			if at&a.end != 0 {
				return e
			}
		}
	}
	return -1
}

// distanceTo is the number of edits between the word and another, below 0 when they are more than the automaton takes.
func (a *nearWords) distanceTo(word string) int {
	state := a.Start()
	for i := range len(word) {
		state = a.Accept(state, word[i])
	}
	return a.distance(state)
}
