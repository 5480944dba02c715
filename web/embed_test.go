package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func load(t *testing.T) *Site {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPageHasItsOwnNonceAndNothingInline(t *testing.T) {
	s := load(t)
	seen := map[string]bool{}
	for range 3 {
		w := httptest.NewRecorder()
		s.ServePage(w)
		body, csp := w.Body.String(), w.Header().Get("Content-Security-Policy")
		m := regexp.MustCompile(`'nonce-([A-Z2-7]{26})'`).FindStringSubmatch(csp)
		if m == nil || seen[m[1]] || !strings.Contains(body, `content="`+m[1]+`"`) {
			t.Fatalf("policy %q, page:\n%s", csp, body)
		}
		seen[m[1]] = true
		if strings.Contains(csp, "unsafe") || !strings.HasPrefix(csp, "default-src 'self';") {
			t.Errorf("policy %q", csp)
		}
		if regexp.MustCompile(`<script>|<style| on[a-z]+=`).MatchString(body) {
			t.Errorf("the page has inline code:\n%s", body)
		}
	}
}

func TestAssetsReachEveryClient(t *testing.T) {
	s := load(t)
	w := httptest.NewRecorder()
	s.ServePage(w)
	refs := regexp.MustCompile(`(?:src|href)="/assets/([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(refs) < 3 {
		t.Fatalf("the page refers to %d files", len(refs))
	}
	for _, ref := range refs {
		if _, ok := s.files[ref[1]]; !ok {
			t.Errorf("the page refers to %s, which is not in the build", ref[1])
		}
	}
	for name := range s.files {
		get := func(encoding string) *http.Response {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/assets/"+name, nil)
			r.Header.Set("Accept-Encoding", encoding)
			if !s.ServeAsset(w, r, name) {
				t.Fatalf("%s is not served", name)
			}
			return w.Result()
		}
		plain, packed, brotli := get("br;q=0"), get("gzip"), get("gzip, br")
		if !strings.Contains(plain.Header.Get("Cache-Control"), "immutable") || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", name, plain.Header)
		}
		if packed.Header.Get("Content-Encoding") != "gzip" || brotli.Header.Get("Content-Encoding") != "br" || brotli.ContentLength < 1 {
			t.Errorf("%s: %v %v", name, packed.Header, brotli.Header)
		}
		zr, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		a, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(plain.Body); err != nil || len(b) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs between its forms: %v", name, err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/assets/none.js", nil)
	if s.ServeAsset(httptest.NewRecorder(), r, "none.js") {
		t.Error("a file that does not exist was served")
	}
}

func TestPathsAreThoseOfTheRouter(t *testing.T) {
	got := strings.Join(load(t).Paths(), " ")
	if !strings.HasPrefix(got, "/ ") || !strings.Contains(got, " /services /services/{name}") {
		t.Errorf("paths: %s", got)
	}
}
