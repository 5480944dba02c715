package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"controlcenter/internal/audit"
	"controlcenter/internal/store"
)

var auditAll = audit.Query{Limit: 1000}

// entries waits until the audit log has at least n rows and returns them, oldest first.
func (s *site) entries(n int) []audit.Row {
	s.t.Helper()
	var rows []audit.Row
	waitFor(s.t, fmt.Sprintf("%d audit rows", n), func() bool {
		list, _, err := s.o.Audit.List(s.t.Context(), auditAll)
		rows = rows[:0]
		for i := len(list) - 1; i >= 0; i-- {
			rows = append(rows, list[i])
		}
		return err == nil && len(rows) >= n
	})
	return rows
}

func TestAuditSaysWhoDidWhat(t *testing.T) {
	notes := store.NewTable[string]("test_notes")
	var s *site
	extra := func(srv *Server) []*row {
		put := func(fail bool) func(context.Context, *noInput) (*answerOf[DoneBody], error) {
			return func(ctx context.Context, _ *noInput) (*answerOf[DoneBody], error) {
				err := srv.o.Store.Update(ctx, func(tx *store.Tx) error { return notes.Put(tx, "k", "v") })
				if err == nil && fail {
					err = errors.New("something else broke")
				}
				return ok(done("")), err
			}
		}
		return []*row{
			typed(srv, "POST", "/test/put", operator, "Change", put(false)),
			typed(srv, "POST", "/test/half", operator, "Change and fail", put(true)),
			typed(srv, "POST", "/test/none/{what}", operator, "Change nothing", func(context.Context, *struct {
				What string `path:"what"`
			},
			) (*answerOf[DoneBody], error) {
				return ok(done("")), nil
			}),
			typed(srv, "POST", "/test/undone", operator, "Roll back", func(ctx context.Context, _ *noInput) (*answerOf[DoneBody], error) {
				return nil, srv.o.Store.Update(ctx, func(tx *store.Tx) error {
					return errors.Join(notes.Put(tx, "k", "v"), problem(http.StatusConflict, "not now\nsecret of the second line"))
				})
			}),
		}
	}
	s = start(t, nil, extra)
	key, id := s.key("robot", "operator")
	s.must(s.ask("POST", "/test/put", nil, bearer(key)...), 200, nil)
	wantProblem(t, s.ask("POST", "/test/half", nil, bearer(key)...), 500, "")
	s.must(s.ask("POST", "/test/none/x%1b%5b2Jy", nil, "X-Request-Id", "mine"), 200, nil)
	wantProblem(t, s.ask("POST", "/test/undone", nil), 409, "not now")
	s.must(s.get("/api/system/info"), 200, nil)
	wantProblem(t, s.get("/api/keys", bearer(key)...), 403, "admin")
	want := []string{
		"owner owner admin owner changed 0 POST /api/keys|robot|",
		"key robot key:" + id + " operator key changed 0 POST /test/put||",
		"key robot key:" + id + " operator key changed 0 POST /test/half||",
		"key robot key:" + id + " operator key failed 500 POST /test/half||internal error",
		"owner owner admin owner ok 200 POST /test/none/{what}|x[2Jy|",
		"owner owner admin owner failed 409 POST /test/undone||not now",
		"key robot key:" + id + " operator key denied 403 GET /api/keys||needs the role admin",
	}
	rows := s.entries(len(want))
	for i, r := range rows {
		got := fmt.Sprintf("%s %s %s %s %s %d %s|%s|%s", r.Who, r.Subject, r.Role, r.Method, r.Result, r.Status, r.Action, r.Target, r.Detail)
		if i < len(want) && !strings.HasPrefix(got, want[i]) {
			t.Errorf("row %d: %s\nwant %s", i, got, want[i])
		}
		if r.From != "127.0.0.1" || r.Request == "" || r.At.IsZero() || strings.Contains(r.Detail, "secret") {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	// Row and change are one transaction: in the state that the change made, the row is there.
	var body AuditBody
	s.must(s.get("/api/audit?result=changed&who=robot&limit=1"), 200, &body)
	if len(body.Entries) != 0 || body.Next != nil {
		t.Errorf("%+v", body)
	}
	s.must(s.get("/api/audit?who=key+robot&limit=2"), 200, &body)
	if len(body.Entries) != 2 || body.Entries[0].Result != "denied" || body.Next == nil {
		t.Fatalf("%+v", body)
	}
	s.must(s.get(fmt.Sprintf("/api/audit?who=key:%s&limit=2&cursor=%d", id, *body.Next)), 200, &body)
	if len(body.Entries) != 2 || body.Entries[0].Action != "POST /test/half" || body.Entries[1].Action != "POST /test/put" {
		t.Errorf("%+v", body)
	}
	wantProblem(t, s.get("/api/audit", bearer(key)...), 403, "admin")
	wantProblem(t, s.get("/api/audit?result=maybe"), 422, "changed")
}

// TestRefusalsAreSummedUp: a flood of them costs a row or two.
func TestRefusalsAreSummedUp(t *testing.T) {
	st := &Settings{NoLimits: true} // else most of them would be refused for being many, which is a row of its own
	s := start(t, func(o *Options) { o.Settings = func() *Settings { return st } }, nil)
	for range 300 {
		s.get("/api/keys", stranger...)
	}
	rows := s.entries(1)
	if len(rows) != 1 || rows[0].Result != audit.Denied || rows[0].Status != 401 || rows[0].Who != "anonymous" {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	s.stop() // the window closes
	rows = s.entries(2)
	if len(rows) != 2 || rows[1].Count != 299 || rows[1].Until.IsZero() {
		t.Errorf("%d rows: %+v", len(rows), rows[1:])
	}
}

func TestProxiesThatAreTrustedNameTheClient(t *testing.T) {
	for _, c := range []struct {
		name, proxies string
		forwarded     []string
		want          string
	}{
		{"nobody is trusted", "", []string{"192.0.2.1"}, "127.0.0.1"},
		{"one hop", "127.0.0.0/8", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a forged hop before it", "127.0.0.0/8", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		{"two headers", "127.0.0.0/8", []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		{"a second proxy", "127.0.0.0/8 10.0.0.0/8", []string{"192.0.2.1, 10.1.1.1"}, "192.0.2.1"},
		{"rubbish", "127.0.0.0/8", []string{"x"}, "127.0.0.1"},
		{"no header", "127.0.0.0/8", nil, "127.0.0.1"},
		{"another proxy", "10.0.0.0/8", []string{"192.0.2.1"}, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := DefaultSettings()
			for p := range strings.FieldsSeq(c.proxies) {
				st.TrustedProxies = append(st.TrustedProxies, netip.MustParsePrefix(p))
			}
			s := start(t, func(o *Options) { o.Settings = func() *Settings { return st } }, nil)
			h := []string{"X-Forwarded-Proto", "https"}
			for _, f := range c.forwarded {
				h = append(h, "X-Forwarded-For", f)
			}
			wantProblem(t, s.get("/api/keys", h...), 401, "Not authenticated") // it never makes anybody the owner
			if rows := s.entries(1); rows[0].From != c.want {
				t.Errorf("from %s, want %s", rows[0].From, c.want)
			}
		})
	}
}
