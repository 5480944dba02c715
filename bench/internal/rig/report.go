package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Table is a Markdown table whose columns are aligned, so that it can be read in a terminal as well.
type Table struct {
	head []string
	rows [][]string
}

// NewTable begins a table.
func NewTable(head ...string) *Table { return &Table{head: head} }

// Row adds a row; missing cells are empty.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *Table) String() string {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i := range t.head {
			c := ""
			if i < len(row) {
				c = row[i]
			}
			b.WriteString("| " + c + strings.Repeat(" ", width[i]-len([]rune(c))) + " ")
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for i := range t.head {
		b.WriteString("|" + strings.Repeat("-", width[i]+2))
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// Ms prints a time in milliseconds with three significant digits.
func Ms(d time.Duration) string {
	ms := d.Seconds() * 1e3
	switch {
	case d == 0:
		return "–"
	case ms < 1:
		return fmt.Sprintf("%.3f", ms)
	case ms < 10:
		return fmt.Sprintf("%.2f", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// MiB prints bytes in MiB.
func MiB(n uint64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// Machine describes where and when a measurement was made, as a Markdown line.
func Machine() string {
	model := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			return "?"
		}
		return strings.TrimSpace(string(b))
	}
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return fmt.Sprintf("%s: %s, %d CPUs, Linux %s, %s, load average at the end %s.",
		time.Now().UTC().Format("2006-01-02"), model, runtime.NumCPU(), read("/proc/sys/kernel/osrelease"), runtime.Version(), load)
}

// WriteSection replaces the section name of a Markdown file, which stands between two comments, or appends it. An empty path
// writes nothing.
func WriteSection(path, name, text string) error {
	if path == "" {
		return nil
	}
	old, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		old, err = []byte("# Benchmarks\n\nWritten by `make bench`; every section is one run.\n"), os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, replaceSection(old, name, text), 0o644)
}

func replaceSection(old []byte, name, text string) []byte {
	begin, end := []byte("<!-- begin "+name+" -->\n"), []byte("<!-- end "+name+" -->\n")
	section := append(append(bytes.Clone(begin), strings.TrimSpace(text)+"\n"...), end...)
	i := bytes.Index(old, begin)
	if i < 0 {
		return append(append(bytes.TrimRight(old, "\n"), "\n\n"...), section...)
	}
	j := bytes.Index(old[i:], end)
	if j < 0 { // the end was removed by hand: what follows cannot be told apart, so it is kept
		return append(append(bytes.Clone(old[:i]), section...), old[i+len(begin):]...)
	}
	return append(append(bytes.Clone(old[:i]), section...), old[i+j+len(end):]...)
}
