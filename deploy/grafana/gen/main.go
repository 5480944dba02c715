// Command gen writes the Grafana dashboards of this folder's parent: one file of Go per dashboard, one JSON per dashboard. It is
// run by go generate and by a test that keeps the JSON current. What a dashboard may contain is in model.go, how its panels are
// made in panels.go, where they stand in layout.go.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . -o ../dashboards

// dashboards is the table of all of them: a new one is one file and one line here.
func dashboards() []*dashboard {
	return []*dashboard{overview(), services(), processes(), gpu(), knowledge(), itself(), fleet()}
}

func main() {
	dir := flag.String("o", "../dashboards", "folder to write to")
	flag.Parse()
	for _, d := range dashboards() {
		text, err := encode(d)
		if err == nil {
			err = os.WriteFile(filepath.Join(*dir, d.UID+".json"), text, 0o644) // #nosec G306 -- for everybody to read
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// encode is the text of the file of a dashboard.
func encode(d *dashboard) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("encode %s: %w", d.UID, err)
	}
	return b.Bytes(), nil
}
