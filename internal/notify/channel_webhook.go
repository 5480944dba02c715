package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries "sha256=" and the hex HMAC-SHA-256 of the body by the channel's secret.
const SignatureHeader = "X-Controlcenter-Signature"

// snippet is how much of a refusing answer is kept.
const snippet = 200

// webhook posts the [Message] as JSON.
type webhook struct {
	url            string
	secret, bearer string
	client         *http.Client
}

func openWebhook(c *ChannelSettings, u *url.URL) (channel, error) {
	if u.Host == "" {
		return nil, errors.New("has no host; accepted: https://host/path")
	}
	u.Fragment = ""
	return &webhook{url: u.String(), secret: c.Secret, bearer: c.Bearer, client: newHTTPClient()}, nil
}

// newHTTPClient follows a redirect to the same host only, and only one that keeps the method: else a message would be sent to
// somebody who was not asked, or turn into an empty GET that looks like a success.
func newHTTPClient() *http.Client {
	return &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		first := via[0]
		switch {
		case len(via) > 3:
			return errors.New("more than 3 redirects")
		case r.URL.Host != first.URL.Host || first.URL.Scheme == "https" && r.URL.Scheme != "https":
			return errors.New("redirected to another host, which is not followed")
		case r.Method != first.Method:
			return errors.New("redirected without the message, which is not followed: use the final URL")
		}
		return nil
	}}
}

func (w *webhook) send(ctx context.Context, m *Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"controlcenter"}, "Idempotency-Key": {m.ID}}
	if w.secret != "" {
		mac := hmac.New(sha256.New, []byte(w.secret))
		mac.Write(body)
		header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	if w.bearer != "" {
		header.Set("Authorization", "Bearer "+w.bearer)
	}
	return post(ctx, w.client, w.url, header, body)
}

// post sends a body; an answer of 2xx is a success, every other one an error with the beginning of its text.
func post(ctx context.Context, client *http.Client, where string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return errURL
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the URL
		}
		return fmt.Errorf("post: %w", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err = fmt.Errorf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if said := clip(oneLine(string(text)), snippet); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		if s, perr := strconv.Atoi(resp.Header.Get("Retry-After")); perr == nil && s > 0 {
			return &busyError{err, min(time.Duration(s)*time.Second, time.Hour)}
		}
	}
	return err
}

// oneLine makes a text fit for a line: control characters become blanks.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))), " ")
}
