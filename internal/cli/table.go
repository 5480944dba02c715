package cli

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// table lays rows out in columns. Cells are cleaned when they are added, so nothing from the machine reaches the terminal raw.
type table struct {
	head  []string
	right []bool // numbers stand to the right
	rows  [][]string
}

// newTable takes the column titles; one that ends in ">" is right-aligned.
func newTable(titles ...string) *table {
	t := &table{}
	for _, s := range titles {
		name, right := strings.CutSuffix(s, ">")
		t.head = append(t.head, name)
		t.right = append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) {
	row := make([]string, len(t.head))
	for i := range row {
		if i < len(cells) {
			row[i] = clean(cells[i])
		}
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// write prints the table; bold wraps the title line when the reader is a terminal.
func (t *table) write(w io.Writer, st style) error {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	b := bufio.NewWriter(w)
	line := func(row []string, paint func(col int, s string) string) {
		var l strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				l.WriteString("  ")
			}
			if t.right[i] {
				l.WriteString(pad)
			}
			l.WriteString(paint(i, c))
			if !t.right[i] && i < len(row)-1 {
				l.WriteString(pad)
			}
		}
		_, _ = b.WriteString(l.String() + "\n") // a strings.Builder or a buffered writer: its Flush reports
	}
	if strings.Join(t.head, "") != "" {
		line(t.head, func(_ int, s string) string { return st.bold(s) })
	}
	for _, row := range t.rows {
		line(row, func(_ int, s string) string { return st.verdict(s) })
	}
	return b.Flush()
}

// style paints text when colour is on, and leaves it alone otherwise.
type style struct{ on bool }

func (s style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string { return s.wrap("1", text) }

// verdict paints the fixed words by which check, status and selftest judge; the word itself always stays, colour is extra.
func (s style) verdict(text string) string {
	switch text {
	case "ok", "pass", "running", "healthy", "ready":
		return s.wrap("32", text)
	case "warn", "warning", "skip", "absent":
		return s.wrap("33", text)
	case "fail", "FAIL", "critical", "error":
		return s.wrap("31", text)
	}
	return text
}
