// Package web is the dashboard: its source, its build in dist (committed, so that Go alone builds the whole product), and the
// serving of the two. It starts no goroutines; a [Site] is read-only and may be used by any number of them.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed dist src/routes.json
var files embed.FS

const nonceMark = "__NONCE__"

// policy of the dashboard: its own files, its own server, and style elements that carry the nonce of this answer.
const policy = "default-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; object-src 'none'; base-uri 'none'; " +
	"form-action 'self'; frame-ancestors 'none'; style-src 'self' 'nonce-" + nonceMark + "'"

var mimes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
	".woff2": "font/woff2", ".json": "application/json",
}

// Site serves the built dashboard.
type Site struct {
	head, tail []byte // of the page, around the nonce
	files      map[string]file
	paths      []string
}

type file struct {
	brotli, gzip []byte
	mime         string
}

// Load reads the embedded build. An error means that the build in dist is not whole.
func Load() (*Site, error) {
	page, err := files.ReadFile("dist/index.html")
	if err != nil {
		return nil, fmt.Errorf("read the dashboard's page: %w", err)
	}
	s := &Site{files: map[string]file{}}
	var found bool
	if s.head, s.tail, found = bytes.Cut(page, []byte(nonceMark)); !found || bytes.Contains(s.tail, []byte(nonceMark)) {
		return nil, errors.New("the dashboard's page must have one place for the nonce")
	}
	entries, err := fs.ReadDir(files, "dist/assets")
	if err != nil {
		return nil, fmt.Errorf("read the dashboard's files: %w", err)
	}
	for _, e := range entries {
		name, packed := strings.CutSuffix(e.Name(), ".gz")
		if !packed {
			continue
		}
		f := file{mime: mimes[path.Ext(name)]}
		if f.mime == "" {
			return nil, fmt.Errorf("file %s of the dashboard has no media type", name)
		}
		if f.gzip, err = files.ReadFile("dist/assets/" + e.Name()); err != nil {
			return nil, fmt.Errorf("read %s of the dashboard: %w", name, err)
		}
		if f.brotli, err = files.ReadFile("dist/assets/" + name + ".br"); err != nil {
			return nil, fmt.Errorf("read %s of the dashboard: %w", name, err)
		}
		s.files[name] = f
	}
	raw, err := files.ReadFile("src/routes.json")
	if err != nil {
		return nil, fmt.Errorf("read the dashboard's paths: %w", err)
	}
	var routes map[string]string
	if err := json.Unmarshal(raw, &routes); err != nil {
		return nil, fmt.Errorf("parse the dashboard's paths: %w", err)
	}
	for _, route := range routes {
		parts := strings.Split(route, "/")
		for i, part := range parts {
			if name, variable := strings.CutPrefix(part, ":"); variable {
				parts[i] = "{" + name + "}"
			}
		}
		s.paths = append(s.paths, strings.Join(parts, "/"))
	}
	slices.Sort(s.paths)
	return s, nil
}

// Paths lists the dashboard's pages, sorted; {name} stands for one segment.
func (s *Site) Paths() []string { return slices.Clone(s.paths) }

// ServePage writes the page, the same for every path: the script in it reads the address. Each answer has its own nonce.
func (s *Site) ServePage(w http.ResponseWriter) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.Replace(policy, nonceMark, nonce, 1))
	h.Set("Cache-Control", "no-store") // a nonce is for one answer
	h.Set("Content-Length", strconv.Itoa(len(s.head)+len(nonce)+len(s.tail)))
	_, _ = w.Write(slices.Concat(s.head, []byte(nonce), s.tail)) // the client is gone when this fails
}

// ServeAsset writes a file of the dashboard, compressed as the client takes it; false = there is none of that name. Names
// change with their content, so clients keep them for ever.
func (s *Site) ServeAsset(w http.ResponseWriter, r *http.Request, name string) bool {
	f, ok := s.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	accepted := strings.Join(r.Header.Values("Accept-Encoding"), ",")
	body, coding := f.gzip, "gzip"
	switch {
	case accepts(accepted, "br"):
		body, coding = f.brotli, "br"
	case !accepts(accepted, "gzip"):
		zr, err := gzip.NewReader(bytes.NewReader(f.gzip))
		if err == nil {
			_, _ = io.Copy(w, zr) // #nosec G110 -- our own file
		}
		return true
	}
	h.Set("Content-Encoding", coding)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client is gone when this fails
	return true
}

// accepts reports whether an Accept-Encoding header names a coding with a weight above zero.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		weight, given := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		return !given || err == nil && q > 0
	}
	return false
}
