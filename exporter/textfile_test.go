package exporter

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func textfilePart(dir string) *Part[Textfiles] {
	st := DefaultSettings()
	st.TextfileDir = dir
	return newTextfile(&Options{Current: func() *Settings { return &st }})
}

func TestTextfilesArePassedThrough(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.prom":       "# HELP backup_age_seconds Age.\n# TYPE backup_age_seconds gauge\nbackup_age_seconds{job=\"db\"} 5\nbackup_age_seconds{job=\"www\"} 6\n",
		"b.prom":       "# TYPE backup_age_seconds gauge\nbackup_age_seconds{job=\"mail\"} 7\nnohelp 1\n",
		"ignored.txt":  "broken{",
		"c.prom.tmp":   "broken{",
		"summary.prom": "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := textfilePart(dir)
	v, err := p.Read(t.Context())
	if err != nil || v.Failed || len(v.Files) != 3 {
		t.Fatalf("got %+v, %v", v, err)
	}
	e := newEmitter()
	e.reset(&Settings{}, nil)
	p.EmitNode(v, e)
	var got []string
	for _, mf := range e.families() {
		for _, m := range mf.GetMetric() {
			got = append(got, mf.GetName()+"{"+strings.ReplaceAll(seriesKey(m), dir, "DIR")+"}")
		}
		if mf.GetHelp() == "" {
			t.Errorf("%s has no help", mf.GetName())
		}
	}
	want := []string{
		`backup_age_seconds{job="db"}`, `backup_age_seconds{job="www"}`, `backup_age_seconds{job="mail"}`,
		`node_textfile_mtime_seconds{file="DIR/a.prom"}`, `node_textfile_mtime_seconds{file="DIR/b.prom"}`, `node_textfile_mtime_seconds{file="DIR/summary.prom"}`,
		`node_textfile_scrape_error{}`, `nohelp{}`, `s{}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestABadTextfileCostsOnlyItself(t *testing.T) {
	cases := []struct{ name, text, says string }{
		{"not the format", "broken{\n", "bad.prom"},
		{"timestamps", "x 1 1700000000000\n", "timestamps"},
		{"another type than elsewhere", "# TYPE good counter\ngood 1\n", "good is a COUNTER"},
		{"a series that another file has", "# TYPE good gauge\ngood 2\n", "twice"},
		{"a family of our own", "node_load1 7\n", "own"},
		{"a family that the kernel names", "node_memory_Foo_bytes 7\n", "own"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"a.prom": "# TYPE good gauge\ngood 1\n", "bad.prom": c.text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			v, err := textfilePart(dir).Read(t.Context())
			if !errors.Is(err, ErrPartial) || !strings.Contains(err.Error(), c.says) || !v.Failed {
				t.Errorf("got %v, want a partial error with %q", err, c.says)
			}
			if len(v.Families) != 1 || v.Families[0].GetName() != "good" || valueOfFirst(v) != 1 {
				t.Errorf("the good file: %v", v.Families)
			}
		})
	}
}

func valueOfFirst(v *Textfiles) float64 { return v.Families[0].GetMetric()[0].GetGauge().GetValue() }

func TestNoTextfileDirectoryIsNoFailure(t *testing.T) {
	if v, err := textfilePart("").Read(t.Context()); err != nil || v == nil || v.Failed {
		t.Errorf("got %+v, %v", v, err)
	}
	if v, err := textfilePart("/does/not/exist").Read(t.Context()); !errors.Is(err, ErrPartial) || !v.Failed {
		t.Errorf("got %+v, %v", v, err)
	}
}

func FuzzParseTextfile(f *testing.F) {
	f.Add([]byte("# TYPE a counter\na{b=\"c\"} 1\na{b=\"d\"} 2\n"))
	f.Add([]byte("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"))
	f.Add([]byte("x 1 5\n\xff{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		families, err := parseTextfile(b)
		if err != nil {
			return
		}
		m := familyMerger{byName: map[string]*mergedFamily{}}
		_ = m.add(families, "file")
		for _, mf := range m.families() {
			seen := map[string]bool{}
			for _, s := range mf.GetMetric() {
				if k := seriesKey(s); seen[k] {
					t.Fatalf("%s{%s} is there twice", mf.GetName(), k)
				} else {
					seen[k] = true
				}
			}
		}
	})
}
