package api

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"controlcenter/internal/auth"
)

// besieged is a site whose handlers only say that they were reached, so that every row of the table can be called by everybody: what
// is tried is the chain. Its settings can be changed.
type besieged struct {
	*site
	settings atomic.Pointer[Settings]
	keys     map[role]string
	reached  atomic.Int32
}

func besiege(t *testing.T) *besieged {
	t.Helper()
	b := &besieged{keys: map[role]string{}}
	b.calm()
	b.site = start(t, func(o *Options) {
		o.Settings = b.settings.Load
		for level, name := range map[auth.Role]role{auth.Viewer: viewer, auth.Operator: operator, auth.Admin: admin} {
			key, _, err := o.Auth.NewKey(t.Context(), name.String(), level, 0, "test")
			if err != nil {
				t.Fatal(err)
			}
			b.keys[name] = key
		}
	}, nil)
	for _, r := range b.rows {
		r.serve = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b.reached.Add(1)
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return b
}

// calm puts the settings back.
func (b *besieged) calm() *Settings {
	st := DefaultSettings()
	st.CORSOrigins, st.AllowedHosts = []string{"http://localhost:3000", "http://localhost:3001"}, []string{"box.example"}
	st.NoLimits = true // they have tests of their own
	b.settings.Store(st)
	return st
}

// try calls a row and says whether its handler was reached, and the status.
func (b *besieged) try(method, path string, body io.Reader, headers ...string) (bool, int) {
	b.t.Helper()
	before := b.reached.Load()
	r := b.ask(method, path, body, headers...)
	return b.reached.Load() > before, r.StatusCode
}

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// TestAttackRoleMatrix calls each row of the table as each kind of caller. What must come out follows from the role in the row alone.
func TestAttackRoleMatrix(t *testing.T) {
	b := besiege(t)
	callers := []struct {
		name    string
		role    role
		local   bool
		mode    AuthMode
		headers []string
	}{
		{"owner", admin, true, ModeOwner, nil},
		{"local process in mode credentials", anonymous, true, ModeCredentials, nil},
		{"local process in mode open", admin, true, ModeOpen, nil},
		{"behind a proxy", anonymous, false, ModeOpen, []string{"X-Forwarded-For", "192.0.2.1"}},
		{"viewer", viewer, true, ModeOwner, []string{"X-Api-Key", b.keys[viewer]}},
		{"operator", operator, true, ModeOwner, []string{"X-Api-Key", b.keys[operator]}},
		{"admin", admin, true, ModeCredentials, []string{"Authorization", "Bearer " + b.keys[admin]}},
		{"viewer behind a proxy", viewer, false, ModeCredentials, []string{"X-Api-Key", b.keys[viewer], "Via", "1.1 proxy"}},
		{"operator behind a proxy", operator, false, ModeOwner, []string{"Authorization", "Bearer " + b.keys[operator], "Forwarded", "for=192.0.2.1"}},
		{"wrong key", 0, true, ModeOwner, []string{"X-Api-Key", b.keys[admin][:len(b.keys[admin])-1] + "A"}},
		{"wrong token in mode open", 0, true, ModeOpen, []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}},
	}
	cells := 0
	for _, r := range b.rows {
		path := pathParameter.ReplaceAllString(r.path, "x")
		for _, c := range callers {
			st := b.calm()
			st.Auth = c.mode
			need := r.role
			if r.open != "" {
				switch {
				case c.local:
					need = anonymous
				default:
					need = max(need, anonymous)
				}
			}
			allowed, status := b.try(r.method, path, nil, c.headers...)
			want := c.role >= need && c.role > 0
			if c.role == 0 && r.login { // it is called to get credentials: old ones are not looked at
				want = true
			}
			cells++
			if allowed != want {
				t.Errorf("%s (role %s) as %s: reached %v with %d, want %v", r.name, r.role, c.name, allowed, status, want)
			}
			switch refused := http.StatusForbidden; {
			case allowed:
			case c.role <= anonymous:
				if refused = http.StatusUnauthorized; status != refused {
					t.Errorf("%s as %s: %d, want %d", r.name, c.name, status, refused)
				}
			case status != refused:
				t.Errorf("%s as %s: %d, want %d", r.name, c.name, status, refused)
			}
		}
	}
	t.Logf("%d rows, %d callers, %d cells", len(b.rows), len(callers), cells)
	if len(b.rows) < 100 {
		t.Errorf("only %d rows: the table was not found", len(b.rows))
	}
}

// TestAttackChangesNeedMoreThanAViewer is the other half of the matrix: that the roles in the table are not too low.
func TestAttackChangesNeedMoreThanAViewer(t *testing.T) {
	s := start(t, nil, nil)
	reads := []string{ // unsafe methods by which nothing is changed, or only of the caller himself
		"POST /api/knowledge/search", "POST /mcp", "POST /api/auth/codes", "POST /api/auth/change-password", "PUT /api/auth/me",
		"POST /api/auth/login", "POST /api/auth/login/form", "POST /api/auth/session", "DELETE /api/auth/session",
	}
	for key, r := range s.rows {
		switch {
		case r.method != http.MethodGet && r.role < operator && !slices.Contains(reads, key):
			t.Errorf("%s changes something and needs only the role %s", key, r.role)
		case r.method != http.MethodGet && r.role < admin && regexp.MustCompile(`/(keys|users|register|config|backup|-/reload|audit|secrets)\b`).MatchString(r.path):
			t.Errorf("%s needs only the role %s", key, r.role)
		case r.role == anonymous && r.open != GroupHealth && !r.login && !r.hidden && !slices.Contains(reads, key): // hidden: the dashboard's own files, which say nothing of this machine
			t.Errorf("%s is open to everybody", key)
		}
	}
}

// TestAttackHeaderConfusion sends credentials in ways that two readers could take for two different things. None of it may pass as
// the owner, though the test is the owner.
func TestAttackHeaderConfusion(t *testing.T) {
	b := besiege(t)
	good, other := b.keys[viewer], b.keys[admin]
	bearer := "Bearer " + good
	basic := "Basic YWRtaW46eA=="
	for name, h := range map[string][]string{
		"two Authorization headers":        {"Authorization", bearer, "Authorization", "Bearer " + other},
		"the same twice":                   {"Authorization", bearer, "Authorization", bearer},
		"two keys":                         {"X-Api-Key", good, "X-Api-Key", other},
		"Basic and Bearer":                 {"Authorization", basic, "Authorization", bearer},
		"Basic where none is asked":        {"Authorization", basic},
		"different keys in both headers":   {"Authorization", bearer, "X-Api-Key", other},
		"right key, empty second":          {"Authorization", bearer, "X-Api-Key", ""},
		"empty Authorization":              {"Authorization", ""},
		"scheme only":                      {"Authorization", "Bearer"},
		"scheme and a blank":               {"Authorization", "Bearer "},
		"key without a scheme":             {"Authorization", good},
		"another scheme":                   {"Authorization", "Digest " + good},
		"two in one, by comma":             {"Authorization", bearer + ", Bearer " + other},
		"two in one, by blank":             {"Authorization", bearer + " " + other},
		"tab for a blank":                  {"Authorization", "Bearer\t" + good},
		"empty key":                        {"X-Api-Key", ""},
		"key with a comma":                 {"X-Api-Key", good + "," + other},
		"key with a scheme":                {"X-Api-Key", bearer},
		"huge":                             {"Authorization", "Bearer " + strings.Repeat("A", 60_000)},
		"key cut short":                    {"X-Api-Key", good[:len(good)-1]},
		"key made longer":                  {"X-Api-Key", good + "x"},
		"key in capitals":                  {"X-Api-Key", strings.ToUpper(good)},
		"id without a secret":              {"X-Api-Key", good[:strings.LastIndex(good, "_")+1]},
		"secret of another":                {"X-Api-Key", good[:strings.LastIndex(good, "_")] + other[strings.LastIndex(other, "_"):]},
		"token of no algorithm":            {"Authorization", "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiIsImV4cCI6OTk5OTk5OTk5OX0."},
		"hostile bytes":                    {"X-Api-Key", "cc_\u202e\u009b_x"},
		"wrong key beside a cookie":        {"X-Api-Key", "cc_a_b", "Cookie", "cc_session=x"},
		"wrong bearer beside a right key":  {"Authorization", "Bearer cc_a_b", "X-Api-Key", good},
		"wrong key beside a right bearer":  {"Authorization", bearer, "X-Api-Key", "cc_a_b"},
		"basic of an empty name and a key": {"Authorization", "Basic Og==", "X-Api-Key", "cc_a_b"},
	} {
		if reached, status := b.try("GET", "/api/system/info", nil, h...); reached || status != 401 && status != 429 {
			t.Errorf("%s: reached %v, %d", name, reached, status)
		}
	}
	for name, h := range map[string][]string{
		"bearer": {"Authorization", bearer}, "small scheme": {"Authorization", "bearer " + good}, "capitals": {"Authorization", "BEARER " + good},
		"key": {"X-Api-Key", good}, "small header": {"x-api-key", good}, "the same key in both": {"Authorization", bearer, "X-Api-Key", good},
		"a cookie of somebody else's server beside a key": {"X-Api-Key", good, "Cookie", "cc_session=x; session=y"},
	} {
		if reached, status := b.try("GET", "/api/system/info", nil, h...); !reached {
			t.Errorf("%s: %d", name, status)
		}
		if reached, status := b.try("POST", "/-/reload", nil, h...); reached || status != 403 {
			t.Errorf("%s, by which a viewer acts: reached %v, %d", name, reached, status)
		}
	}
	// What a proxy adds takes the owner's rights away, in any spelling.
	for _, name := range []string{
		"Forwarded", "forwarded", "Via", "X-Forwarded-For", "X-FORWARDED-FOR", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
		"X-Forwarded", "X-Real-IP", "x-real-ip", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-Host", "X-Cluster-Client-IP",
	} {
		for _, value := range []string{"127.0.0.1", "", "::1"} {
			if reached, status := b.try("GET", "/api/system/info", nil, name, value); reached || status != 401 {
				t.Errorf("%s: %q: reached %v, %d", name, value, reached, status)
			}
		}
	}
	// An address takes no key or token where there is no WebSocket.
	if reached, status := b.try("GET", "/api/system/info?token="+good, nil, "Via", "x"); reached || status != 401 {
		t.Errorf("key in the address: reached %v, %d", reached, status)
	}
}

// TestAttackKeyComparisonByConstruction looks at the source: secrets are compared by their digests in constant time, and by nothing
// else.
func TestAttackKeyComparisonByConstruction(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "auth", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	leaky := regexp.MustCompile(`bytes\.(Equal|Compare)\(|strings\.(Compare|EqualFold)\([^)]*(?i:secret|hash|digest|password|sum)|(?i:\b(given|secret|hash|digest|sum|password)(\[:\])?\s*[!=]=\s*[a-z][A-Za-z.]*(hash|secret|digest|sum|password))`)
	constant := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(src), "\n") {
			if leaky.MatchString(line) {
				t.Errorf("%s:%d compares a secret byte by byte: %s", filepath.Base(name), i+1, strings.TrimSpace(line))
			}
		}
		constant += bytes.Count(src, []byte("subtle.ConstantTimeCompare("))
	}
	if constant < 2 {
		t.Errorf("%d constant-time comparisons: keys and passwords need one each", constant)
	}
	for _, leak := range []string{"bytes.Equal(a, b)", "if sum == k.hash {", "given != rec.secret"} { // the pattern finds what it is for
		if !leaky.MatchString(leak) {
			t.Errorf("the pattern does not find %q", leak)
		}
	}
}
