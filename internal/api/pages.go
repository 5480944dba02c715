package api

import "net/http"

// pageRows are the dashboard's pages but "/", for browsers. The page itself says nothing about this machine: what it shows
// it asks the API for, so whoever must log in can load it.
func (s *Server) pageRows() []*row {
	var rows []*row
	if s.site == nil {
		return nil // only the document is made: pages are not in it
	}
	for _, path := range s.site.Paths() {
		if path == "/" {
			continue // has a row of its own: it also answers JSON
		}
		rows = append(rows, raw("GET", path, anonymous, "A page of the dashboard", s.dashboard, nil, func(r *row) { r.hidden, r.anyQuery = true, true }))
	}
	return rows
}

// dashboard answers browsers; to others there is nothing at these paths.
func (s *Server) dashboard(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if !wantsPage(r) {
		s.fail(w, r, problem(http.StatusNotFound, "Not Found"))
		return
	}
	s.site.ServePage(w)
}
