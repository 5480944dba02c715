package notify

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// cloud stands for the services of the internet whose addresses cannot be set: a proxy that leads every TLS connection to a
// server of ours, with a certificate that this process trusts. What is sent is what would be sent to them.
type cloud struct {
	mu     sync.Mutex
	calls  []call
	answer func(w http.ResponseWriter, r *http.Request)
}

type call struct{ host, path, body string }

var theCloud *cloud

// TestMain begins it before anything reads the proxy's variable or the system's certificates, which happens once per process.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notify")
	if err == nil {
		theCloud, err = newCloud(dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func newCloud(dir string) (*cloud, error) {
	cert, err := certificate([]string{"hooks.slack.com", "discord.com", "api.telegram.org", "test.webhook.office.com", "api.pushover.net", "api.pushbullet.com", "api.opsgenie.com", "events.pagerduty.com", "chat.googleapis.com"})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		return nil, err
	}
	c := &cloud{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls = append(c.calls, call{r.Host, r.URL.Path, string(body)})
		if c.answer != nil {
			c.answer(w, r)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		out, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	}))
	for name, value := range map[string]string{"HTTPS_PROXY": proxy.URL, "SSL_CERT_FILE": file, "NO_PROXY": ""} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func certificate(names []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), DNSNames: names,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// take returns the calls since the last time, and sets how the next are answered.
func (c *cloud) take(answer func(w http.ResponseWriter, r *http.Request)) []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls, c.answer = nil, answer
	return calls
}

func sendTest(t *testing.T, c ChannelSettings) error {
	t.Helper()
	if c.Name == "" {
		c.Name = "ops"
	}
	ch, err := openChannel(&c)
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	return attempt(t.Context(), ch, &c, testMessage(c.Name, "box", time.Now()))
}

func TestChatServicesGetTheMessage(t *testing.T) {
	for name, c := range map[string]struct {
		url, host, path string
		status          int
		answer          string
	}{
		"slack":    {"slack://hook:T00000000-B00000000-abcdefghijklmnopqrstuvwx@webhook", "hooks.slack.com", "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx", 200, "ok"},
		"discord":  {"discord://secrettoken@123456789", "discord.com", "/api/webhooks/123456789/secrettoken", 204, ""},
		"telegram": {"telegram://123456:secrettoken@telegram?chats=-100200", "api.telegram.org", "/bot123456:secrettoken/sendMessage", 200, `{"ok":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			theCloud.take(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			})
			// The libraries have timeouts of their own, which a machine that is very busy can pass.
			waitFor(t, "a success", func() bool { return sendTest(t, ChannelSettings{URL: c.url}) == nil })
			calls := slices.DeleteFunc(theCloud.take(nil), func(got call) bool { return got.host != c.host })
			if len(calls) == 0 || calls[0].path != c.path || !json.Valid([]byte(calls[0].body)) ||
				!strings.Contains(calls[0].body, "the channel ops works") || !strings.Contains(calls[0].body, "[INFO] on box") {
				t.Errorf("got %+v", calls)
			}
		})
	}
}

// A token is in the path of these services' URLs, and the libraries put the URL into their errors.
func TestErrorsOfChatServicesHoldNoToken(t *testing.T) {
	urls := map[string]string{
		"slack":    "slack://hook:T00000000-B00000000-secretsecretsecretsecret@webhook",
		"discord":  "discord://secrettoken@123456789",
		"telegram": "telegram://123456:secrettoken@telegram?chats=-100200",
		"ntfy":     "ntfy://me:secrettoken@127.0.0.1:1/secrettopic?scheme=http",
		"mail":     "smtp://me:secrettoken@127.0.0.1:1/?from=a@example.com&to=b@example.com",
		"webhook":  "http://me:secrettoken@127.0.0.1:1/secretpath?token=secretquery",
		// Those that are passed through: none may take a failure for a success either.
		"mattermost": "mattermost://127.0.0.1:1/secrettoken0000?disabletls=yes",
		"rocketchat": "rocketchat://127.0.0.1:1/secretA/secretB",
		"pushover":   "pushover://shoutrrr:secrettokensecrettokensecret12@secretuser/",
		"pushbullet": "pushbullet://o.secretsecretsecretsecretsecretse",
		"opsgenie":   "opsgenie://api.opsgenie.com/secret-0000",
		"pagerduty":  "pagerduty://events.pagerduty.com/5ec2e75ec2e75ec2e75ec2e75ec2e712",
		"googlechat": "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=secretkey&token=secrettoken",
		"teams": "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/" +
			"44444444-4444-4444-8444-cccccccccccc/V2ESyijsecretUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=test.webhook.office.com",
		"gotify": "gotify://127.0.0.1:1/secret.tokens1?disabletls=yes",
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		if err == nil {
			t.Fatal("it was taken for a success")
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "5ec2e7") {
			t.Errorf("a secret is in: %v", err)
		}
	}
	for name, url := range urls {
		t.Run(name+" refused", func(t *testing.T) {
			theCloud.take(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, `{"ok":false,"error_code":403,"description":"Forbidden: https://%s%s"}`, r.Host, r.URL.Path)
			})
			check(t, sendTest(t, ChannelSettings{URL: url}))
		})
		t.Run(name+" cut off", func(t *testing.T) {
			theCloud.take(func(w http.ResponseWriter, _ *http.Request) {
				if in, _, err := http.NewResponseController(w).Hijack(); err == nil {
					_ = in.Close()
				}
			})
			check(t, sendTest(t, ChannelSettings{URL: url, Timeout: 5 * time.Second}))
		})
	}
	for _, bad := range []string{"slack://secret@webhook", "discord://secret", "telegram://secret@telegram", "ntfy://secret@/?x=secret", "smtp://secret:secret@host", "http://", "secret", "https://secret:se%cret@/"} {
		_, err := openChannel(&ChannelSettings{Name: "x", URL: bad})
		if err == nil {
			t.Errorf("%s was accepted", bad)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("a secret is in: %v", err)
		}
	}
}

func TestNtfyGetsTitleAndPriority(t *testing.T) {
	var got http.Header
	var path, body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, path, body = r.Header, r.URL.Path, string(b)
		_, _ = io.WriteString(w, `{"id":"x"}`)
	}))
	defer s.Close()
	c := ChannelSettings{Name: "phone", URL: "ntfy://" + s.Listener.Addr().String() + "/topic?scheme=http"}
	ch, err := openChannel(&c)
	if err != nil {
		t.Fatal(err)
	}
	d := &Delivery{Channel: "phone", Items: []Item{{Status: Firing, Severity: Critical, Rule: "disk_critical", Summary: "/ is full"}}}
	if err := attempt(t.Context(), ch, &c, messageOf(d, "box")); err != nil {
		t.Fatal(err)
	}
	if path != "/topic" || got.Get("Title") != "[CRITICAL] on box / is full" || !strings.EqualFold(got.Get("Priority"), "high") || !strings.Contains(body, "CRITICAL: / is full") {
		t.Errorf("path %s, header %v, body %s", path, got, body)
	}
}

// sink is a small SMTP server, an outside party.
func sink(t *testing.T) (addr string, mails <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 10)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
				say("220 sink")
				var mail strings.Builder
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					mail.WriteString(line)
					switch word := strings.ToUpper(strings.Fields(line + " x")[0]); word {
					case "EHLO":
						say("250-sink\r\n250 8BITMIME")
					case "DATA":
						say("354 go on")
						for {
							line, err := in.ReadString('\n')
							if err != nil {
								return
							}
							if line == ".\r\n" {
								break
							}
							mail.WriteString(line)
						}
						out <- mail.String()
						say("250 taken")
					case "QUIT":
						say("221 bye")
						return
					default:
						say("250 ok")
					}
				}
			}()
		}
	}()
	return l.Addr().String(), out
}

func TestMailArrivesWithAnEncodedSubject(t *testing.T) {
	addr, mails := sink(t)
	c := ChannelSettings{Name: "mail", URL: "smtp://" + addr + "/?from=box@example.com&to=me@example.com,you@example.com&starttls=no"}
	ch, err := openChannel(&c)
	if err != nil {
		t.Fatal(err)
	}
	d := &Delivery{Channel: "mail", Items: []Item{{Status: Firing, Severity: Warning, Rule: "service_crashed", Summary: "Grüße\r\nBcc: evil@example.com", Description: "\r\n.\r\nend"}}}
	if err := attempt(t.Context(), ch, &c, messageOf(d, "box")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"me", "you"} {
		select {
		case mail := <-mails:
			head, body, _ := strings.Cut(mail, "\r\n\r\n")
			if !strings.Contains(mail, "RCPT TO:<"+to+"@example.com>") || !strings.Contains(head, "Subject: =?utf-8?q?") || strings.Contains(head, "\nBcc:") || !strings.Contains(body, "service_crashed") {
				t.Errorf("got %s", mail)
			}
		case <-time.After(time.Minute):
			t.Fatal("no mail")
		}
	}
}

func TestWebhookFollowsNoRedirectToOthers(t *testing.T) {
	other := newReceiver(t)
	for name, status := range map[string]int{"to another host": http.StatusTemporaryRedirect, "that loses the body": http.StatusFound} {
		t.Run(name, func(t *testing.T) {
			in := newReceiver(t)
			in.set(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/there" {
					return false
				}
				where := other.URL
				if status == http.StatusFound {
					where = "/there"
				}
				http.Redirect(w, r, where, status)
				return true
			})
			if err := sendTest(t, ChannelSettings{URL: in.URL, Bearer: "token", Secret: "hush"}); err == nil || !strings.Contains(err.Error(), "not followed") {
				t.Errorf("got %v", err)
			}
			if len(in.items())+len(other.items()) != 0 {
				t.Error("it was followed")
			}
		})
	}
	in := newReceiver(t)
	in.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/there" {
			return false
		}
		http.Redirect(w, r, "/there", http.StatusPermanentRedirect)
		return true
	})
	if err := sendTest(t, ChannelSettings{URL: in.URL}); err != nil || len(in.items()) != 1 {
		t.Errorf("on the same host: %v", err)
	}
}

func TestWebhookWaitsAsLongAsItIsAskedTo(t *testing.T) {
	in := newReceiver(t)
	in.set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "77")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	err := sendTest(t, ChannelSettings{URL: in.URL})
	if e, ok := err.(*sendError); !ok || e.after != 77*time.Second { //nolint:errorlint // attempt returns nothing else
		t.Errorf("got %v", err)
	}
}

func TestChannelThatHangsIsLeftAndNotAskedTwice(t *testing.T) {
	p := newPatient()
	ctx, cancel := context.WithCancel(t.Context())
	begun, end := make(chan struct{}), make(chan struct{})
	go func() { <-begun; cancel() }()
	if err := p.run(ctx, func() error { close(begun); <-end; return nil }); err == nil {
		t.Error("no error")
	}
	if err := p.run(t.Context(), func() error { return nil }); err != errBusy { //nolint:errorlint // itself
		t.Errorf("got %v, want %v", err, errBusy)
	}
	close(end)
	waitFor(t, "the call to return", func() bool { return p.run(t.Context(), func() error { return nil }) == nil })
	if err := p.run(t.Context(), func() error { panic("bug") }); err == nil || !strings.Contains(err.Error(), "bug") {
		t.Errorf("got %v", err)
	}
}

func TestDesktopRunsThePlatformsProgramWithoutOurEnvironment(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	script := "#!/bin/sh\nfor a in \"$@\"; do echo \"$a\"; done > " + out + "\n/usr/bin/env >> " + out + "\n"
	if err := os.WriteFile(filepath.Join(dir, "notify-send"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("CC_TOKEN", "hush")
	if err := sendTest(t, ChannelSettings{URL: "desktop://"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(got), "--urgency=low\n--\n[INFO] on box") || strings.Contains(string(got), "hush") {
		t.Errorf("%s, %v", got, err)
	}
}
