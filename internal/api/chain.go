package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/gorilla/websocket"
)

// middleware wraps a handler. The chain is built once, outermost first, and is the same for every route.
type middleware func(http.Handler) http.Handler

func (s *Server) chain() http.Handler {
	h := http.Handler(http.HandlerFunc(s.dispatch))
	order := []middleware{
		s.observe, s.recoverPanic, s.secure, s.checkHost, s.checkOrigin, s.crossOrigin, s.identify, s.checkRole, s.checkRate, s.remember, s.mayEnd,
		s.checkQuery, s.checkBody,
	}
	for _, m := range slices.Backward(order) {
		h = m(h)
	}
	return h
}

// serve is the entry: it finds the route, names the request, and hands it to the chain.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	info := s.match(r)
	info.id = requestID(r.Header.Get("X-Request-Id"))
	info.http, info.ip = r, s.clientIP(r)
	info.token = takeToken(r, info.row)
	w.Header().Set("X-Request-Id", info.id)
	ours := r.WithContext(context.WithValue(r.Context(), requestKey{}, info))
	timeBody(w, ours, info)
	s.handler.ServeHTTP(&responseWriter{ResponseWriter: w}, ours)
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// match finds the row of a request. HEAD goes wherever GET goes; net/http drops the body.
func (s *Server) match(r *http.Request) *request {
	info := &request{}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if info.row, info.vars = s.find(r, method, r.URL.Path); info.row != nil {
		return info
	}
	info.allow = strings.Join(s.methodsOf(r, r.URL.Path), ", ")
	if path, ok := strings.CutSuffix(r.URL.Path, "/"); ok && info.allow == "" && path != "" && !strings.HasPrefix(path, "//") {
		info.slash = len(s.methodsOf(r, path)) > 0
	}
	return info
}

func (s *Server) find(r *http.Request, method, path string) (*row, map[string]string) {
	if method != r.Method || path != r.URL.Path {
		q, u := *r, *r.URL
		u.Path, u.RawPath = path, ""
		q.Method, q.URL = method, &u
		r = &q
	}
	var m mux.RouteMatch
	if !s.router.Match(r, &m) || m.Route == nil {
		return nil, nil
	}
	return s.rows[m.Route.GetName()], m.Vars
}

// methodsOf lists what a path answers to.
func (s *Server) methodsOf(r *http.Request, path string) (found []string) {
	for _, m := range methods {
		look := m
		if m == http.MethodHead {
			look = http.MethodGet
		}
		if row, _ := s.find(r, look, path); row != nil {
			found = append(found, m)
		}
	}
	return found
}

// dispatch calls the handler of the row, or answers what a router answers.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	info := infoOf(r.Context())
	switch {
	case info.row != nil:
		info.row.serve.ServeHTTP(w, mux.SetURLVars(r, info.vars))
	case info.slash:
		u := url.URL{Path: strings.TrimSuffix(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", u.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	case info.allow != "":
		s.fail(w, r, problem(http.StatusMethodNotAllowed, "Method Not Allowed").with("Allow", info.allow))
	default:
		s.fail(w, r, problem(http.StatusNotFound, "Not Found"))
	}
}

// observe logs and counts. The handler label is the row's path, never the request's.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rw := w.(*responseWriter) //nolint:forcetypeassert // serve made it
		defer func() {
			info := infoOf(r.Context())
			took := time.Since(begin)
			status := rw.status
			if status == 0 {
				status = http.StatusOK
			}
			s.metrics.request(info.row, r.Method, status, took)
			s.wasDone(r, status)
			s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", status, "duration_seconds", took.Seconds(),
				"bytes", rw.bytes, "request_id", info.id, "role", info.caller.role.String(), "caller", info.caller.title(), "remote", r.RemoteAddr)
		}()
		next.ServeHTTP(w, r)
	})
}

// recoverPanic answers 500 for a handler's bug; only the log sees what it was.
func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v) // the way to cut an answer off: net/http closes the connection without a word
			}
			s.log.Error("handler panicked", "request_id", infoOf(r.Context()).id, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			if rw := w.(*responseWriter); rw.status != 0 { //nolint:forcetypeassert // serve made it
				panic(http.ErrAbortHandler) // half an answer must not look whole
			}
			s.fail(w, r, problem(http.StatusInternalServerError, "internal error"))
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that cost nothing. Pages replace the Content-Security-Policy by their own.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin") // no page of another site draws or embeds what is here; CORS is not meant by it
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// checkHost refuses names nobody chose (DNS rebinding). A unix socket has no name to check.
func (s *Server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !peerOf(r.Context()).unix && !s.policy().allowsHost(r) {
			s.refuse(w, r, refusedHost, problemf(http.StatusMisdirectedRequest,
				"host %q is not served here; add it to web.allowed_hosts if it is yours", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// safe methods change nothing, as RFC 9110 has it.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// checkOrigin answers preflights, lets listed origins read, and refuses others where a request could do something: unsafe
// methods and WebSocket upgrades. No Origin header means no browser: authentication decides.
func (s *Server) checkOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		given := r.Header.Values("Origin")
		if len(given) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		o, ok := parseOrigin(given[0])
		ok = ok && len(given) == 1
		same := ok && sameOrigin(o, r)
		listed := ok && s.policy().cors(o)
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if listed {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", given[0])
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Location")
		}
		switch {
		case preflight && (listed || same):
			h := w.Header()
			h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
			if want := r.Header.Get("Access-Control-Request-Headers"); want != "" {
				h.Set("Access-Control-Allow-Headers", want)
				h.Add("Vary", "Access-Control-Request-Headers")
			}
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case preflight:
			s.refuse(w, r, refusedOrigin, problem(http.StatusBadRequest, "Disallowed CORS origin"))
		case (!safe(r.Method) || websocket.IsWebSocketUpgrade(r)) && !same && !listed:
			s.refuse(w, r, refusedOrigin, problemf(http.StatusForbidden,
				"origin %q may not do this; add it to web.cors_origins if it is yours", strings.Join(given, ", ")))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// crossOrigin is the standard library's check by Sec-Fetch-Site, beside our own: it also catches browsers that leave the
// Origin header out.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o, ok := parseOrigin(r.Header.Get("Origin")); ok && (s.policy().cors(o) || sameOrigin(o, r)) {
			next.ServeHTTP(w, r) // checkOrigin let it pass
			return
		}
		if err := protection.Check(r); err != nil {
			s.refuse(w, r, refusedOrigin, problem(http.StatusForbidden, err.Error()))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, wrong := s.authenticate(r)
		infoOf(r.Context()).caller = c
		if infoOf(r.Context()).dropCookie {
			http.SetCookie(w, s.sessionCookie(r, "", 0))
		}
		if wrong != nil {
			s.unauthenticated(w, r, wrong)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkRole compares the caller with what the row needs.
func (s *Server) checkRole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		need := s.need(info.row, info.caller)
		if info.row != nil && info.row.page && wantsPage(r) {
			need = anonymous
		}
		switch {
		case info.caller.role >= need:
			next.ServeHTTP(w, r)
		case info.caller.role == anonymous:
			s.unauthenticated(w, r, s.notAuthenticated(info.caller, info.row))
		default:
			s.refuse(w, r, refusedRole, problemf(http.StatusForbidden, "needs the role %s, you are %s", need, info.caller.role))
		}
	})
}

// checkQuery refuses parameters that a row does not know: a misspelt filter must not answer as if it had been applied.
func (s *Server) checkQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		if r.URL.RawQuery == "" || info.row == nil || info.row.anyQuery {
			next.ServeHTTP(w, r)
			return
		}
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			s.refuse(w, r, refusedQuery, invalid(FieldError{Loc: []string{"query"}, Msg: "query: " + err.Error(), Type: "value"}))
			return
		}
		var unknown []string
		for name := range values {
			if !slices.Contains(info.row.query, name) {
				unknown = append(unknown, name)
			}
		}
		if len(unknown) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		sort.Strings(unknown)
		known := "this route takes none"
		if len(info.row.query) > 0 {
			known = "accepted are " + strings.Join(info.row.query, ", ")
		}
		fields := make([]FieldError, len(unknown))
		for i, name := range unknown {
			fields[i] = FieldError{Loc: []string{"query", name}, Msg: "unknown parameter, " + known, Type: "unknown"}
		}
		s.refuse(w, r, refusedQuery, invalid(fields...))
	})
}

// checkBody holds bodies to the row's content type and limit. A request without a body needs no content type.
func (s *Server) checkBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		if r.ContentLength == 0 || safe(r.Method) || info.row == nil {
			next.ServeHTTP(w, r)
			return
		}
		want, limit := info.row.bodyType, info.row.bodyLimit
		ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		ct = strings.ToLower(strings.TrimSpace(ct))
		switch {
		case ct == want, want == jsonType && strings.HasSuffix(ct, "+json"):
		case want == jsonType:
			s.refuse(w, r, refusedBody, problemf(http.StatusUnsupportedMediaType, "content type %q: must be %s (with curl: curl --json '{…}')", ct, want))
			return
		default:
			s.refuse(w, r, refusedBody, problemf(http.StatusUnsupportedMediaType,
				"content type %q: must be %s (with curl: -H 'Content-Type: %s' --data-binary @file; for JSON routes curl --json)", ct, want, want))
			return
		}
		if r.ContentLength > limit {
			s.refuse(w, r, refusedBody, problemf(http.StatusRequestEntityTooLarge, "body: larger than %d bytes", limit).with("Connection", "close"))
			return
		}
		if !info.row.ownLimit {
			r.Body = http.MaxBytesReader(w, r.Body, limit)
		}
		next.ServeHTTP(w, r)
	})
}
