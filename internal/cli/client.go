package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxAnswer bounds a JSON answer held in memory; the largest, all processes of a busy machine, is a few MiB.
const maxAnswer = 64 << 20

// client talks to one daemon. It is safe for concurrent use.
type client struct {
	http    *http.Client
	base    string        // scheme://host without a trailing slash
	where   string        // what was dialled, for messages
	socket  string        // path of the unix socket, "" over TCP
	timeout time.Duration // of one whole exchange, streams excepted
	agent   string        // User-Agent
	token   string        // sent as a bearer token when set
	calm    sync.Once     // guards the change that patient makes
}

// newClient returns a client of the daemon at a URL, or at a unix socket when rawURL is empty. Nothing is dialled yet.
func newClient(rawURL, socket, agent string, timeout time.Duration) (*client, error) {
	c := &client{timeout: timeout, agent: agent}
	tr := &http.Transport{
		// The daemon is named by the user, never reached through a proxy taken from the environment.
		Proxy:                 nil,
		DialContext:           (&net.Dialer{Timeout: min(timeout, 3*time.Second)}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: timeout,
		MaxIdleConns:          4,
		IdleConnTimeout:       10 * time.Second,
	}
	if rawURL != "" {
		u, err := url.Parse(rawURL)
		switch {
		case err != nil:
			return nil, usagef("url %q: %w", rawURL, err)
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return nil, usagef("url %q: want http://host:port or https://host:port", rawURL)
		}
		c.base = u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")
		c.where = c.base
	} else {
		c.socket = socket
		c.base = "http://localhost"
		c.where = "unix:" + socket
		d := net.Dialer{Timeout: min(timeout, 3*time.Second)}
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		}
	}
	// A redirect to another host would carry the question to somebody who was not asked.
	c.http = &http.Client{Transport: tr, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != via[0].URL.Host || len(via) >= 5 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return c, nil
}

// close drops idle connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// do sends one request. An answer of 400 and above becomes an error with its exit code, no answer at all one with
// ExitUnreachable. The caller closes the body.
func (c *client) do(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	resp, err := c.send(ctx, method, path, header, body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, answerError(resp)
}

// patient lets the daemon take its time for answers from now on, for what is known to take long.
func (c *client) patient() {
	c.calm.Do(func() {
		if tr, ok := c.http.Transport.(*http.Transport); ok {
			tr.ResponseHeaderTimeout = 0
		}
	})
}

// upload posts a body of a known size (-1 = unknown).
func (c *client) upload(ctx context.Context, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	return c.do(ctx, http.MethodPost, path, header, sized{body, size})
}

// sized tells send the length of a body that is not one of net/http's own readers.
type sized struct {
	io.Reader
	size int64
}

// send is do without the judgement of the status.
func (c *client) send(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if s, ok := body.(sized); ok {
		req.ContentLength = s.size
	}
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if h := header.Get("Host"); h != "" {
		req.Host = h
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

// getJSON fetches a JSON document within the client's timeout.
func (c *client) getJSON(ctx context.Context, path string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, path, http.Header{"Accept": {"application/json"}}, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := readLimited(resp.Body, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s%s: %w", c.where, path, err)
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("the answer of %s%s is not JSON (%s): is that a controlcenter?", c.where, path, resp.Header.Get("Content-Type"))
	}
	return b, nil
}

// exchange sends body (nil = none) as JSON, reads the answer into v (nil = not wanted) and returns it as it came. It waits as
// long as the daemon takes: to start and stop services may take minutes, and the user can interrupt it.
func (c *client) exchange(ctx context.Context, method, path string, body, v any) (json.RawMessage, error) {
	c.patient()
	header := http.Header{"Accept": {"application/json"}}
	var in io.Reader
	if body != nil {
		b, err := marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(ctx, method, path, header, in)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := readLimited(resp.Body, maxAnswer)
	if err == nil && v != nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		return nil, fmt.Errorf("answer of %s%s: %w", c.where, path, err)
	}
	return raw, nil
}

// decode fetches a document into v and also returns it as it came.
func (c *client) decode(ctx context.Context, path string, v any) (json.RawMessage, error) {
	raw, err := c.getJSON(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("answer of %s%s: %w", c.where, path, err)
	}
	return raw, nil
}

// readLimited reads all of r, at most n bytes.
func readLimited(r io.Reader, n int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, n+1))
	if err == nil && int64(len(b)) > n {
		return nil, fmt.Errorf("longer than %d MiB", n>>20)
	}
	return b, err
}

// unreachable explains why nobody answered, what was tried and what to do.
func (c *client) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	reason := err
	if ue, ok := errors.AsType[*url.Error](err); ok {
		reason = ue.Err
	}
	ne, isNet := errors.AsType[net.Error](err)
	var text string
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isNet && ne.Timeout():
		return exitf(ExitUnreachable, "%s did not answer within %s (see --timeout)", c.where, c.timeout)
	case c.socket != "" && errors.Is(err, os.ErrNotExist):
		text = "no such socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		text = "connection refused"
	case errors.Is(err, os.ErrPermission):
		return exitf(ExitUnreachable, "%s: permission denied: only its owner and root may use it", c.where)
	default:
		text = reason.Error()
	}
	return exitf(ExitUnreachable, "no daemon answers at %s: %s; start it with \"controlcenter serve\" or name another with --url", c.where, text)
}

// apiError is an error answer of the daemon.
type apiError struct {
	Status  int
	Message string
	Code    string // "validation", "not_found", ...; "" when it was not the daemon that answered
}

func (e *apiError) Error() string { return e.Message }

// answerError reads the one error shape of the API; anything else (a proxy's page) is told by its status.
func answerError(resp *http.Response) error {
	e := &apiError{Status: resp.StatusCode}
	var body struct {
		Error  string `json:"error"`
		Detail any    `json:"detail"`
		Code   string `json:"code"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if mt, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); strings.HasSuffix(mt, "json") && json.Unmarshal(bytes.TrimSpace(b), &body) == nil {
		e.Message, e.Code = body.Error, body.Code
		if s, ok := body.Detail.(string); e.Message == "" && ok {
			e.Message = s
		}
	}
	e.Message = cleanLines(strings.TrimRight(e.Message, "\n"))
	if e.Message == "" {
		e.Message = strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status)))
	}
	if after := resp.Header.Get("Retry-After"); after != "" && e.Status == http.StatusTooManyRequests {
		e.Message += "; try again in " + clean(after) + " s"
	}
	return &exitError{exitOfStatus(e.Status), e}
}

// exitOfStatus maps an error status to the exit code: 4xx is the caller's doing, all else failed.
func exitOfStatus(status int) int {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return ExitNotFound
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return ExitUsage
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusMisdirectedRequest, http.StatusTooManyRequests,
		http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return ExitRefused
	}
	return ExitFailed
}
