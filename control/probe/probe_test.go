package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/internal/unit"
)

func TestMain(m *testing.M) {
	switch os.Getenv("PROBE_CHILD") {
	case "fail":
		fmt.Println("first line")
		fmt.Println("disk is full")
		os.Exit(3)
	case "hang":
		fmt.Println("hanging")
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {}
	case "ok":
		if os.Getenv("HOME") != "" {
			os.Exit(4) // the daemon's environment leaked in
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// answers runs a probe over a list of answers, one per interval, and returns at which of them the verdict changed to what.
func answers(t *testing.T, s Spec, list string) string {
	var got []string
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		i := 0
		Run(ctx, s.WithDefaults(), func(context.Context) error {
			i++
			if list[i-1] == '-' {
				return errors.New("no")
			}
			return nil
		}, func(r Result) {
			if r.Changed {
				got = append(got, fmt.Sprintf("%d:%t", i, r.Well))
			}
			if i == len(list) {
				cancel()
			}
		})
	})
	return strings.Join(got, " ")
}

func TestVerdictChangesAtItsThresholds(t *testing.T) {
	for _, c := range []struct {
		name, answers, want string
		success, failure    int
	}{
		{"first success", "+", "1:true", 1, 3},
		{"two in a row needed", "+-+-++", "6:true", 2, 3},
		{"three failures", "+--+---", "1:true 7:false", 1, 3},
		{"never well", "---", "3:false", 1, 3},
		{"recovers", "+---+", "1:true 4:false 5:true", 1, 3},
		{"no verdict yet", "--+-", "", 2, 3},
		{"long runs do not change it again", "++++++----------++", "2:true 10:false 18:true", 2, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := answers(t, Spec{Success: c.success, Failure: c.failure}, c.answers); got != c.want {
				t.Errorf("%s: got %q, want %q", c.answers, got, c.want)
			}
		})
	}
}

func TestProbeKeepsItsIntervalAndTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Spec{Delay: unit.Duration(5 * time.Second), Interval: unit.Duration(10 * time.Second), Timeout: unit.Duration(3 * time.Second)}.WithDefaults()
		ctx, cancel := context.WithCancel(t.Context())
		start, n := time.Now(), 0
		var asked []time.Duration
		Run(ctx, s, func(ctx context.Context) error {
			asked = append(asked, time.Since(start))
			n++
			if n == 1 {
				time.Sleep(time.Second) // slow
				return nil
			}
			<-ctx.Done() // hangs
			return errors.New("some error of a cut connection")
		}, func(r Result) {
			if n == 1 && (!r.OK || r.Took != time.Second) {
				t.Errorf("slow answer: got %+v", r)
			}
			if n == 2 && (r.OK || r.Reason != "no answer in 3s" || r.Took != 3*time.Second) {
				t.Errorf("hanging: got %+v", r)
			}
			if n == 3 {
				cancel()
			}
		})
		if got, want := fmt.Sprint(asked), "[5s 15s 25s]"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

func ask(t *testing.T, s Spec, target Target) error {
	t.Helper()
	s = s.WithDefaults()
	if wrong := s.Check(); wrong != nil {
		t.Fatal(wrong)
	}
	p, err := New(s, target)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p(ctx)
}

func TestHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			fmt.Fprint(w, `{"status":"ready"}`)
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		default:
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	for _, c := range []struct {
		name string
		spec Spec
		want string
	}{
		{"200", Spec{HTTP: srv.URL + "/ok"}, ""},
		{"302 is an answer", Spec{HTTP: srv.URL + "/moved"}, ""},
		{"503", Spec{HTTP: srv.URL + "/down"}, "answered 503 Service Unavailable"},
		{"expected 503", Spec{HTTP: srv.URL + "/down", Status: []int{503}}, ""},
		{"200 not expected", Spec{HTTP: srv.URL + "/ok", Status: []int{204}}, "answered 200 OK"},
		{"body", Spec{HTTP: srv.URL + "/ok", Body: `"ready"`}, ""},
		{"wrong body", Spec{HTTP: srv.URL + "/ok", Body: `"started"`}, `body does not match "\"started\""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := text(ask(t, c.spec, Target{})); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{TCP: l.Addr().String()}
	if err := ask(t, s, Target{}); err != nil {
		t.Errorf("listening: %v", err)
	}
	l.Close()
	if err := ask(t, s, Target{}); err == nil {
		t.Error("closed: got nil, want an error")
	}
}

func TestExec(t *testing.T) {
	self := Spec{Exec: []string{os.Args[0]}}
	for child, want := range map[string]string{"ok": "", "fail": "exit status 3: disk is full"} {
		if got := text(ask(t, self, Target{Env: []string{"PROBE_CHILD=" + child}})); got != want {
			t.Errorf("%s: got %q, want %q", child, got, want)
		}
	}
	if err := ask(t, Spec{Exec: []string{"/no/such/program"}}, Target{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing program: got %v", err)
	}
	p, _ := New(self, Target{Env: []string{"PROBE_CHILD=hang"}})
	if err := askOnce(t.Context(), 300*time.Millisecond, p); text(err) != "no answer in 300ms" {
		t.Errorf("hanging program: got %v", err)
	}
}

func TestLogLineIsFoundOnceAndStaysFound(t *testing.T) {
	lines, calls := []string{"loading"}, 0
	p, _ := New(Spec{Log: `listening on :\d+$`}, Target{Lines: func(_ context.Context, after int64) ([]string, int64, error) {
		calls++
		return lines[after:], int64(len(lines)), nil
	}})
	if err := p(t.Context()); err == nil {
		t.Error("no such line: got nil, want an error")
	}
	lines = append(lines, "listening on :8188", "got request")
	if err := p(t.Context()); err != nil {
		t.Errorf("line is there: %v", err)
	}
	before := calls
	if err := p(t.Context()); err != nil || calls != before {
		t.Errorf("after the match: %v, %d more reads, want none", err, calls-before)
	}
	if err := ask(t, Spec{Log: "x"}, Target{}); err == nil {
		t.Error("no log to read: got nil, want an error")
	}
}

func TestNotify(t *testing.T) {
	ready := false
	p, _ := New(Spec{Notify: true}, Target{Notified: func() bool { return ready }})
	if err := p(t.Context()); err == nil {
		t.Error("not sent: got nil, want an error")
	}
	ready = true
	if err := p(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWrongSpecsNameTheField(t *testing.T) {
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "[[ must have one of http, tcp, exec, log, notify]]"},
		{Spec{TCP: "x:1", Log: "y"}, "[[ must have one kind, has tcp and log]]"},
		{Spec{TCP: "nohost"}, `[[tcp "nohost" is not an address such as 127.0.0.1:8080]]`},
		{Spec{HTTP: "ftp://x"}, `[[http "ftp://x" is not a URL such as http://127.0.0.1:8080/health]]`},
		{Spec{Exec: []string{""}}, "[[exec must begin with a program]]"},
		{Spec{Log: "("}, "[[log error parsing regexp: missing closing ): `(`]]"},
		{Spec{TCP: "x:1", Success: -1, Failure: -1, Interval: 1, Timeout: -1, Status: []int{9}}, "[[ status and body are for http] [status must be HTTP status codes, 100 to 599] " +
			"[interval must be at least 100ms] [timeout must be more than 0s] [success must be at least 1] [failure must be at least 1]]"},
	} {
		s := c.spec.WithDefaults()
		if got := fmt.Sprint(s.Check()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestWhatIsSaidOnceCountsWhenItIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, said, asked := time.Now(), time.Now().Add(1500*time.Millisecond), 0
		Run(ctx, Spec{Notify: true}.WithDefaults(), func(context.Context) error {
			if time.Now().Before(said) {
				return errors.New("not yet")
			}
			return nil
		}, func(r Result) {
			if asked++; r.Changed {
				if took := time.Since(began); !r.Well || took > 2*time.Second || asked != 2 {
					t.Errorf("verdict %t after %s and %d answers", r.Well, took, asked)
				}
				cancel()
			}
		})
	})
}
