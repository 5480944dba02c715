package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestDashboardsAreCurrent(t *testing.T) {
	known := map[string]bool{}
	for _, d := range dashboards() {
		name := filepath.Join("../dashboards", d.UID+".json")
		known[name] = true
		want, err := encode(d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not current (%v): run go generate ./deploy/grafana/gen", name, err)
		}
	}
	files, err := filepath.Glob("../dashboards/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !known[name] {
			t.Errorf("no dashboard writes %s", name)
		}
	}
}

func TestPanelsShareTheWidthOfALine(t *testing.T) {
	for _, c := range []struct {
		widths, want []int
	}{
		{[]int{0, 0, 0}, []int{8, 8, 8}},
		{[]int{16, 0}, []int{16, 8}},
		{[]int{0, 0, 0, 0, 0, 0, 0}, []int{3, 3, 3, 3, 3, 3, 6}},
		{[]int{0, 6, 6}, []int{12, 6, 6}},
	} {
		var ps []*panel
		for _, w := range c.widths {
			ps = append(ps, (&panel{}).wide(w))
		}
		x := 0
		for i, p := range place([]row{section("r", beside(5, ps...), beside(3, &panel{}))})[1 : 1+len(ps)] {
			if p.GridPos.W != c.want[i] || p.GridPos.X != x || p.GridPos.Y != 1 || p.GridPos.H != 5 {
				t.Errorf("%v: panel %d stands at %+v, want width %d at %d", c.widths, i, p.GridPos, c.want[i], x)
			}
			x += c.want[i]
		}
	}
}
