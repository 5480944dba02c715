package api

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json and docs/api.md anew")

func TestCommittedDocumentsAreCurrent(t *testing.T) {
	jsonDoc, _, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	markdown, err := APIMarkdown()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]byte{"../../openapi.json": jsonDoc, "../../docs/api.md": markdown} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go test ./internal/api -run TestCommittedDocumentsAreCurrent -update", file)
		}
	}
}
