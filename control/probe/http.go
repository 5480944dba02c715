package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
)

// maxBody is how much of an answer the body expression looks at; a health page is small.
const maxBody = 256 << 10

var httpKind = kind{
	name:  "http",
	given: func(s *Spec) bool { return s.HTTP != "" },
	check: func(s *Spec) error {
		u, err := url.Parse(s.HTTP)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%q is not a URL such as http://127.0.0.1:8080/health", s.HTTP)
		}
		if _, err := regexp.Compile(s.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		return nil
	},
	make: makeHTTP,
}

// makeHTTP asks by GET on a connection of its own each time: a kept one would say little about whether the service still
// accepts. It follows no redirects (a login page would look like health; 3xx itself is an answer) and knows no proxy.
func makeHTTP(s *Spec, _ Target) Prober {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var body *regexp.Regexp
	if s.Body != "" {
		body = regexp.MustCompile(s.Body)
	}
	status, target := s.Status, s.HTTP
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		req.Header.Set("User-Agent", "controlcenter-probe")
		resp, err := client.Do(req)
		if err != nil {
			if u, ok := errors.AsType[*url.Error](err); ok {
				err = u.Err // without the URL, which the user knows
			}
			return err
		}
		defer resp.Body.Close()
		well := resp.StatusCode >= 200 && resp.StatusCode < 400
		if len(status) > 0 {
			well = slices.Contains(status, resp.StatusCode)
		}
		if !well {
			return fmt.Errorf("answered %s", resp.Status)
		}
		if body != nil {
			text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
			if err != nil {
				return fmt.Errorf("read body: %w", err)
			}
			if !body.Match(text) {
				return fmt.Errorf("body does not match %q", body)
			}
		}
		return nil
	}
}
