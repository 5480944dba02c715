package kb

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// editsBetween counts edits by the textbook's table: what it has for two beginnings follows from shorter ones.
func editsBetween(a, b string) int {
	x, y := []rune(a), []rune(b)
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
				continue
			case x[i-1] == y[j-1]:
				d[i][j] = d[i-1][j-1]
			default:
				d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			}
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(x)][len(y)]
}

// nearIsRight compares an automaton with the table.
func nearIsRight(t *testing.T, a *nearWords, word, other string, edits int) {
	t.Helper()
	want := editsBetween(word, other)
	if want > edits {
		want = -1
	}
	if got := a.distanceTo(other); got != want {
		t.Errorf("%q and %q within %d edits: %d, want %d", word, other, edits, got, want)
	}
}

func TestNearWords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	make1 := func(letters []rune, most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteRune(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	for _, alphabet := range []string{"ab", "abcde", "aäя€", "яблок", "a𝄞b"} {
		letters := []rune(alphabet)
		for range 300 {
			word := make1(letters, 9)
			for edits := 1; edits <= 2; edits++ {
				a := newNearWords(word, edits)
				for range 20 {
					nearIsRight(t, a, word, make1(letters, 9), edits)
				}
				nearIsRight(t, a, word, word, edits)
			}
		}
	}
	long := strings.Repeat("abcdefg", 9)
	nearIsRight(t, newNearWords(long, 2), long, long[:30]+"x"+long[31:60], 2)
	nearIsRight(t, newNearWords(long, 2), long, long[:30]+"x"+long[31:61]+"y"+long[62:], 2)
	if newNearWords(long+"a", 2) != nil {
		t.Error("an automaton for more letters than a number has bits")
	}
	a := newNearWords("word", 1)
	for _, broken := range []string{"wor\xff", "wor\xc3(", "w\xe2\x82"} {
		if d := a.distanceTo(broken); d >= 0 {
			t.Errorf("%q is %d edits from a word", broken, d)
		}
	}
}

func FuzzNearWords(f *testing.F) {
	for _, pair := range [][2]string{{"thread", "tread"}, {"receive", "recieve"}, {"größe", "grösse"}, {"", "a"}, {"ab", "ba"}} {
		f.Add(pair[0], pair[1], 1)
		f.Add(pair[0], pair[1], 2)
	}
	f.Fuzz(func(t *testing.T, word, other string, edits int) {
		if !utf8.ValidString(word) || !utf8.ValidString(other) || utf8.RuneCountInString(word) > maxNearLetters || len(other) > 200 {
			return
		}
		edits = 1 + edits&1
		nearIsRight(t, newNearWords(word, edits), word, other, edits)
	})
}
