package logs

import (
	"encoding/json"
	"os"
	"testing"
)

func TestLevelsAreReadFromWhereProgramsWriteThem(t *testing.T) {
	text, err := os.ReadFile("testdata/levels.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases [][2]string
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 20 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		if got := Levels[levelOf([]byte(c[0]))]; got != c[1] {
			t.Errorf("%q is %s, not %s", c[0], got, c[1])
		}
	}
}
