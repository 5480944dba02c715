package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

//go:embed docs/*.gz page/*
var assetFiles embed.FS

// pageCSP allows a page its own files and nothing else: no inline script, no other host. data: is for the small images in
// Swagger UI's style sheet.
const pageCSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// redocCSP also allows the style elements that Redoc makes: they are empty (the first hash) and filled through the style
// sheet's interface, but for one of the scroll bars (the second hash). Still no inline code of any other text.
const redocCSP = pageCSP + "; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"

// assets are the files of the pages. Each is served under a name that changes with its content, so clients keep it for ever.
type assets struct {
	files map[string]asset // by served name
	pages *template.Template
}

type asset struct {
	body       []byte
	compressed bool // body is gzip
	mime       string
}

var mimes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}}
	served := map[string]string{} // plain name -> path
	err := fs.WalkDir(assetFiles, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(file, ".html") {
			return err
		}
		body, err := assetFiles.ReadFile(file)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		plain, compressed := strings.CutSuffix(path.Base(file), ".gz")
		name := plain
		if !compressed { // the third-party files have their version in the name
			sum := sha256.Sum256(body)
			ext := path.Ext(plain)
			name = strings.TrimSuffix(plain, ext) + "-" + hex.EncodeToString(sum[:4]) + ext
		}
		a.files[name] = asset{body, compressed, mimes[path.Ext(plain)]}
		served[plain] = "/assets/" + name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load assets: %w", err)
	}
	link := func(plain string) (string, error) {
		if served[plain] == "" {
			return "", fmt.Errorf("page names an unknown file %q", plain)
		}
		return served[plain], nil
	}
	a.pages, err = template.New("").Funcs(template.FuncMap{"asset": link}).ParseFS(assetFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return a, nil
}

// page writes an HTML page.
func (a *assets) page(w http.ResponseWriter, name string, data any) {
	var buf bytes.Buffer
	if err := a.pages.ExecuteTemplate(&buf, name, data); err != nil {
		panic(err) // a test renders every page
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pageCSP)
	if name == "redoc.html" {
		h.Set("Content-Security-Policy", redocCSP)
	}
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(buf.Bytes()) // the client is gone when this fails
}

func (s *Server) docsRows() []*row {
	g := group("Documents")
	free := func(r *row) { r.anyQuery = true }
	hidden := func(r *row) { r.hidden, r.plain = true, true }
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { s.assets.page(w, name, nil) }
	}
	return []*row{
		raw("GET", "/openapi.json", viewer, "This document as JSON", func(w http.ResponseWriter, r *http.Request) {
			s.writeDocument(w, r, jsonType, s.docs().json)
		}, docOf(jsonType, "OpenAPI 3.1"), g),
		raw("GET", "/openapi.yaml", viewer, "This document as YAML", func(w http.ResponseWriter, r *http.Request) {
			s.writeDocument(w, r, "application/yaml", s.docs().yaml)
		}, docOf("application/yaml", "OpenAPI 3.1"), g),
		raw("GET", "/docs", viewer, "The API, to try out in a browser", page("docs.html"), docOf("text/html", "Swagger UI, without the internet"), g, free),
		raw("GET", "/redoc", viewer, "The API, to read in a browser", page("redoc.html"), docOf("text/html", "Redoc, without the internet"), g, free),
		raw("GET", "/assets/{file}", anonymous, "Files of the pages", s.asset, nil, hidden, free),
	}
}

// documents are the OpenAPI document in both forms.
type documents struct {
	json, yaml []byte
	err        error // a mistake in the table of routes, which a test would have found
}

func (s *Server) writeDocument(w http.ResponseWriter, r *http.Request, mime string, body []byte) {
	if err := s.docs().err; err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body) // the client is gone when this fails
}

// asset serves a file of a page; what lies compressed is unpacked for the rare client without gzip.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	name := mux.Vars(r)["file"]
	f, ok := s.assets.files[name]
	if !ok && s.site.ServeAsset(w, r, name) {
		return
	}
	if !ok {
		s.fail(w, r, problem(http.StatusNotFound, "Not Found"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if !f.compressed {
		h.Set("Content-Length", strconv.Itoa(len(f.body)))
		_, _ = w.Write(f.body)
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(f.body)))
		_, _ = w.Write(f.body)
		return
	}
	zr, err := gzip.NewReader(bytes.NewReader(f.body))
	if err == nil {
		_, _ = io.Copy(w, zr) // #nosec G110 -- a file of the binary itself
	}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
