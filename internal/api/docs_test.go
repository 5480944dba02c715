package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"
)

var references = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

func TestPagesNeedNothingFromOutside(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/", "/docs", "/redoc"} {
		r := s.get(path, "Accept", "text/html")
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s: %d, %s", path, r.StatusCode, r.Header.Get("Content-Security-Policy"))
		}
		if bytes.Contains(r.body, []byte("<script>")) || bytes.Contains(r.body, []byte("<style")) || bytes.Contains(r.body, []byte(" on")) && regexp.MustCompile(` on[a-z]+=`).Match(r.body) {
			t.Errorf("%s has inline code:\n%s", path, r.body)
		}
		found := references.FindAllSubmatch(r.body, -1)
		if len(found) < 3 {
			t.Errorf("%s refers to %d files", path, len(found))
		}
		for _, m := range found {
			ref := string(m[1])
			if ref == "data:," {
				continue
			}
			a := s.get(ref)
			if !strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "//") || a.StatusCode != 200 {
				t.Errorf("%s: %s answers %d", path, ref, a.StatusCode)
			}
			if strings.HasPrefix(ref, "/assets/") && !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s is not kept: %s", ref, a.Header.Get("Cache-Control"))
			}
		}
	}
	wantProblem(t, s.get("/assets/none.js"), 404, "Not Found")
	wantProblem(t, s.get("/assets/README.md"), 404, "Not Found")
}

func TestCompressedAssetForEveryClient(t *testing.T) {
	s := start(t, nil, nil)
	for name, f := range s.assets.files {
		plain := s.get("/assets/" + name)
		if plain.Header.Get("Content-Encoding") != "" || f.mime == "" || plain.Header.Get("Content-Type") != f.mime {
			t.Errorf("%s: %v", name, plain.Header)
		}
		if !f.compressed {
			continue
		}
		small := s.get("/assets/"+name, "Accept-Encoding", "br, gzip;q=0.5")
		zr, err := gzip.NewReader(bytes.NewReader(small.body))
		if err != nil || small.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v %v", name, err, small.Header)
		}
		if b, err := io.ReadAll(zr); err != nil || !bytes.Equal(b, plain.body) {
			t.Errorf("%s differs between the two forms: %v", name, err)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"gzip": true, "br, GZIP": true, "gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "": false, "x-gzip2": false, "identity": false,
	} {
		if acceptsGzip(header) != want {
			t.Errorf("%q: %v, want %v", header, !want, want)
		}
	}
}

func TestDocumentIsServed(t *testing.T) {
	s := start(t, nil, nil)
	wantJSON, wantYAML, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.get("/openapi.json"); !bytes.Equal(got.body, wantJSON) {
		t.Error("/openapi.json differs from the committed document")
	}
	if got := s.get("/openapi.yaml"); !bytes.Equal(got.body, wantYAML) {
		t.Error("/openapi.yaml differs")
	}
}
