package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"controlcenter/internal/auth"
)

// stranger makes a request one that no rule takes for the owner's: somebody forwarded it.
var stranger = []string{"Via", "1.1 somebody"}

// post sends JSON.
func (s *site) post(method, path, body string, headers ...string) reply {
	s.t.Helper()
	return s.ask(method, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// must fails unless the answer has the status, and decodes it into v.
func (s *site) must(r reply, status int, v any) {
	s.t.Helper()
	if r.StatusCode != status {
		s.t.Fatalf("%s %s: %d, want %d: %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.body)
	}
	if v != nil {
		r.decode(s.t, v)
	}
}

// key makes an API key as the owner.
func (s *site) key(name, role string) (secret, id string) {
	s.t.Helper()
	var made NewKeyBody
	s.must(s.post("POST", "/api/keys", fmt.Sprintf(`{"name":%q,"role":%q}`, name, role)), 201, &made)
	return made.Key, made.ID
}

func bearer(token string) []string {
	return append([]string{"Authorization", "Bearer " + token}, stranger...)
}

func TestKeysHaveTheirRoleAndNoMore(t *testing.T) {
	s := start(t, nil, nil)
	for _, c := range []struct {
		role                string
		read, operate, rule int // what a viewer, an operator and an admin may
	}{{"viewer", 200, 403, 403}, {"operator", 200, 200, 403}, {"admin", 200, 200, 200}} {
		secret, _ := s.key("for "+c.role, c.role)
		if !strings.HasPrefix(secret, "cc_") || len(secret) < 60 {
			t.Errorf("key %q", secret)
		}
		for _, how := range [][]string{{"Authorization", "Bearer " + secret}, {"X-API-Key", secret}, {"authorization", "bearer " + secret}, {"Authorization", "Bearer " + secret, "X-Api-Key", secret}} {
			for _, from := range [][]string{stranger, nil} { // a key that is right decides alone, also for the owner
				h := append(append([]string{}, how...), from...)
				got := []int{s.get("/api/system/info", h...).StatusCode, s.ask("POST", "/api/cache/invalidate", nil, h...).StatusCode, s.get("/api/keys", h...).StatusCode}
				if got[0] != c.read || got[1] != c.operate || got[2] != c.rule {
					t.Errorf("%s by %v: %v", c.role, how[0], got)
				}
			}
		}
		var me MeBody
		s.must(s.get("/api/auth/me", bearer(secret)...), 200, &me)
		if me.Access != c.role || me.Method != "key" || me.Username != "for "+c.role || me.ID != 0 {
			t.Errorf("me: %+v", me)
		}
		for _, wrong := range []string{secret + "x", secret[:len(secret)-1], "cc_" + strings.Repeat("a", 60), "cc__", "cc_"} {
			wantProblem(t, s.get("/api/system/info", "X-API-Key", wrong), 401, "Invalid API key")
			wantProblem(t, s.get("/api/system/info", "Authorization", "Bearer "+wrong), 401, "Invalid API key")
		}
		other, _ := s.key("another", "admin")
		wantProblem(t, s.get("/api/system/info", "Authorization", "Bearer "+secret, "X-Api-Key", other), 401, "")
	}
	var list KeysBody
	r := s.get("/api/keys")
	s.must(r, 200, &list)
	used := slices.IndexFunc(list.Keys, func(k KeyRow) bool { return k.Name == "for viewer" })
	if len(list.Keys) != 6 || strings.Contains(string(r.body), "hash") || used < 0 || list.Keys[used].LastUsed == nil || list.Keys[used].CreatedBy != "owner" {
		t.Errorf("keys: %s", r.body)
	}
	file, err := os.ReadFile(s.store.Info().Path)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := s.key("stored", "viewer")
	if strings.Contains(string(file), secret[14:]) {
		t.Error("the key itself is in the store")
	}
}

func TestKeyExpiresAndIsRevokedAtOnce(t *testing.T) {
	s := start(t, nil, nil)
	old, _, err := s.o.Auth.NewKey(t.Context(), "old", auth.Admin, 1, "test")
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s.get("/api/system/info", "X-API-Key", old), 401, "API key has expired")
	secret, id := s.key("app", "viewer")
	conn := s.dial("/api/system/ws", bearer(secret)...)
	byQuery := s.dial("/ws?token="+secret, stranger...)
	next(t, conn)
	next(t, byQuery)
	s.must(s.ask("DELETE", "/api/keys/"+id, nil), 200, nil)
	wantProblem(t, s.get("/api/system/info", bearer(secret)...), 401, "Invalid API key")
	for _, c := range []*websocket.Conn{conn, byQuery} {
		for { // what was under way may still come
			if _, _, err := c.ReadMessage(); err != nil {
				if strings.Contains(err.Error(), "timeout") {
					t.Error("a stream of a revoked key goes on")
				}
				break
			}
		}
	}
	wantProblem(t, s.ask("DELETE", "/api/keys/"+id, nil), 404, "not found")
	wantProblem(t, s.post("POST", "/api/keys", `{"name":"x","role":"root"}`), 422, "viewer, operator, admin")
	wantProblem(t, s.post("POST", "/api/keys", `{"name":"x","role":"viewer","expires_in":"soon"}`), 422, "90d")
	wantProblem(t, s.post("POST", "/api/keys", `{"name":"a\u001b[2J","role":"viewer"}`), 422, "printable")
}

// login returns the token of a user.
func (s *site) login(name, password string) string {
	s.t.Helper()
	var b TokenBody
	s.must(s.post("POST", "/api/auth/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), stranger...), 200, &b)
	if b.Type != "bearer" || b.Expires != 86400 || b.Token == "" {
		s.t.Errorf("login: %+v", b)
	}
	return b.Token
}

func TestOlderLogin(t *testing.T) {
	s := start(t, nil, nil)
	var ann, me UserRow
	s.must(s.post("POST", "/api/auth/register", `{"username":"ann","password":"correct horse","email":"ann@example.org","full_name":"Ann","role":"admin"}`), 200, &ann)
	s.must(s.post("POST", "/api/auth/register", `{"username":"bob","password":"battery staple"}`), 200, &me)
	if ann.Role != "admin" || ann.Access != "admin" || me.Role != "user" || me.Access != "operator" || !ann.Active || ann.LastLogin != nil || *ann.Email != "ann@example.org" {
		t.Errorf("users %+v %+v", ann, me)
	}
	wantProblem(t, s.post("POST", "/api/auth/register", `{"username":"ANN","password":"correct horse"}`), 400, "already registered")
	for _, c := range [][2]string{{`{"username":"eve","password":"short"}`, "8"}, {`{"username":"eve","password":"password123"}`, "everybody tries first"}, {`{"username":"eve eve","password":"correct horse"}`, "letters"}, {`{"username":"eve","password":"correct horse","role":"god"}`, "admin"}, {`{"username":"eve","password":"correct horse","email":"x"}`, "address"}} {
		wantProblem(t, s.post("POST", "/api/auth/register", c[0]), 422, c[1])
	}

	token := s.login("Bob", "battery staple")
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims["sub"] != "bob" || claims["role"] != "user" || claims["type"] != "access" || claims["user_id"] != float64(me.ID) || claims["exp"].(float64)-claims["iat"].(float64) != 86400 {
		t.Errorf("claims %s", raw)
	}
	s.must(s.get("/api/auth/me", bearer(token)...), 200, &claims)
	for key, want := range map[string]any{"id": float64(me.ID), "username": "bob", "email": nil, "full_name": nil, "role": "user", "access": "operator", "method": "token", "is_active": true} {
		if got, there := claims[key]; !there || got != want {
			t.Errorf("me.%s: %v (%v), want %v", key, got, there, want)
		}
	}
	if claims["created_at"] == nil || claims["last_login"] == nil {
		t.Errorf("me: %v", claims)
	}
	form := s.ask("POST", "/api/auth/login/form", strings.NewReader("username=bob&password=battery+staple"), "Content-Type", "application/x-www-form-urlencoded")
	s.must(form, 200, nil)
	wantProblem(t, s.ask("POST", "/api/auth/login/form", strings.NewReader("username=b&password="), "Content-Type", "application/x-www-form-urlencoded"), 422, "username")
	wantProblem(t, s.post("POST", "/api/auth/login/form", `{}`), 415, "x-www-form-urlencoded")

	for _, c := range []struct{ body, text string }{{`{"username":"bob","password":"wrong one"}`, "Incorrect username or password"}, {`{"username":"nobody","password":"wrong one"}`, "Incorrect username or password"}} {
		r := s.post("POST", "/api/auth/login", c.body)
		if m := wantProblem(t, r, 401, c.text); m["detail"] != c.text || r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%v", m)
		}
	}
	wantProblem(t, s.post("POST", "/api/auth/login", `{"username":"b","password":"x"}`), 422, "")
	if m := wantProblem(t, s.get("/api/auth/me", stranger...), 401, ""); m["detail"] != "Not authenticated" {
		t.Errorf("%v", m)
	}

	// What a user may change of itself, and what not.
	s.must(s.post("PUT", "/api/auth/me", `{"full_name":"Bob B"}`, bearer(token)...), 200, nil)
	wantProblem(t, s.post("PUT", "/api/auth/me", `{"role":"admin"}`, bearer(token)...), 403, "admin")
	wantProblem(t, s.get("/api/auth/users", bearer(token)...), 403, "admin")
	wantProblem(t, s.post("PUT", "/api/auth/me", `{"full_name":"x"}`), 400, "not as a user")

	// Rights follow the user, not the token.
	s.must(s.post("PUT", "/api/auth/users/bob", `{"role":"readonly"}`), 200, nil)
	wantProblem(t, s.ask("POST", "/api/cache/invalidate", nil, bearer(token)...), 403, "needs the role operator")
	wantProblem(t, s.post("POST", "/api/auth/change-password", `{"current_password":"wrong one","new_password":"another staple"}`, bearer(token)...), 401, "current password")
	s.must(s.post("POST", "/api/auth/change-password", `{"current_password":"battery staple","new_password":"another staple"}`, bearer(token)...), 200, nil)
	wantProblem(t, s.get("/api/auth/me", bearer(token)...), 401, "Invalid authentication token")
	token = s.login("bob", "another staple")
	s.must(s.post("PUT", "/api/auth/users/bob", `{"is_active":false}`), 200, nil)
	wantProblem(t, s.get("/api/auth/me", bearer(token)...), 401, "Invalid authentication token")
	wantProblem(t, s.post("POST", "/api/auth/login", `{"username":"bob","password":"another staple"}`), 403, "Inactive")

	admin := s.login("ann", "correct horse")
	wantProblem(t, s.ask("DELETE", "/api/auth/users/ann", nil, bearer(admin)...), 400, "yourself")
	wantProblem(t, s.post("PUT", "/api/auth/users/ann", `{"role":"user"}`), 409, "last active")
	var stats UserStatsBody
	s.must(s.get("/api/auth/stats", bearer(admin)...), 200, &stats)
	if stats.Total != 2 || stats.Active != 1 || stats.Inactive != 1 || stats.ByRole["admin"] != 1 || stats.ByRole["readonly"] != 1 {
		t.Errorf("stats %+v", stats)
	}
	s.must(s.ask("DELETE", fmt.Sprintf("/api/auth/users/%d", me.ID), nil, bearer(admin)...), 200, nil)
	wantProblem(t, s.get("/api/auth/users/bob", bearer(admin)...), 404, "bob")
}

// TestForgedTokens tries what is known to have worked on somebody.
func TestForgedTokens(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	var st atomic.Pointer[auth.Settings]
	st.Store(&auth.Settings{JWTSecret: secret})
	s := start(t, func(o *Options) {
		var err error
		if o.Auth, err = auth.Open(t.Context(), auth.Options{Store: o.Store, Settings: st.Load, Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
	}, nil)
	var ann UserRow
	s.must(s.post("POST", "/api/auth/register", `{"username":"ann","password":"correct horse","role":"readonly"}`), 200, &ann)
	now := time.Now()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"sub": "ann", "user_id": ann.ID, "role": "admin", "type": "access", "ver": 1, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	}
	sign := func(m jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		c := good()
		if change != nil {
			change(c)
		}
		text, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	right := sign(jwt.SigningMethodHS256, []byte(secret), nil)
	s.must(s.get("/api/auth/me", bearer(right)...), 200, nil)
	wantProblem(t, s.get("/api/keys", bearer(right)...), 403, "admin") // what the token says of the role counts nothing
	part := strings.Split(right, ".")
	for name, token := range map[string]string{
		"alg none":         sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"no signature":     part[0] + "." + part[1] + ".",
		"HS512":            sign(jwt.SigningMethodHS512, []byte(secret), nil),
		"another secret":   sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil),
		"empty secret":     sign(jwt.SigningMethodHS256, []byte{}, nil),
		"no exp":           sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { delete(c, "exp") }),
		"refresh":          sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["type"] = "refresh" }),
		"older password":   sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["ver"] = 0 }),
		"another user":     sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["user_id"] = 99 }),
		"another name":     sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["sub"] = "eve" }),
		"nobody":           sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["user_id"] = 0 }),
		"text for numbers": sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["user_id"] = "1" }),
	} {
		if r := s.get("/api/auth/me", "Authorization", "Bearer "+token); r.StatusCode != 401 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	over := sign(jwt.SigningMethodHS256, []byte(secret), func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() })
	if m := wantProblem(t, s.get("/api/auth/me", "Authorization", "Bearer "+over), 401, ""); m["detail"] != "Token has expired" {
		t.Errorf("%v", m)
	}
	st.Store(&auth.Settings{JWTSecret: strings.Repeat("y", 32)})
	wantProblem(t, s.get("/api/auth/me", "Authorization", "Bearer "+right), 401, "Invalid authentication token")
}

func TestBrowserSession(t *testing.T) {
	s := start(t, nil, nil)
	s.must(s.post("POST", "/api/auth/register", `{"username":"ann","password":"correct horse","role":"user"}`), 200, nil)
	var code CodeBody
	s.must(s.ask("POST", "/api/auth/codes", nil), 200, &code)
	if code.Path != "/#code="+code.Code || len(code.Code) < 50 {
		t.Errorf("code %+v", code)
	}
	page := []string{"Origin", s.url, "Via", "x"}
	r := s.post("POST", "/api/auth/session", `{"code":"`+code.Code+`"}`, page...)
	var me MeBody
	s.must(r, 200, &me)
	if me.Access != "admin" || me.Method != "session" || me.Username != "owner" {
		t.Errorf("me %+v", me)
	}
	wantProblem(t, s.post("POST", "/api/auth/session", `{"code":"`+code.Code+`"}`, page...), 401, "used already")
	text := r.Header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(text, want) {
			t.Errorf("cookie %q has no %s", text, want)
		}
	}
	if strings.Contains(text, "Domain") || strings.Contains(text, "Secure") {
		t.Errorf("cookie %q", text)
	}
	owner := r.Cookies()[0]

	r = s.post("POST", "/api/auth/session", `{"username":"ann","password":"correct horse"}`, page...)
	s.must(r, 200, &me)
	if me.Username != "ann" || me.Access != "operator" || me.ID == 0 {
		t.Errorf("me %+v", me)
	}
	ann := r.Cookies()[0]
	with := func(c *http.Cookie, more ...string) []string {
		return append([]string{"Cookie", c.Name + "=" + c.Value, "Via", "x"}, more...)
	}
	s.must(s.get("/api/system/info", with(ann)...), 200, nil)
	s.must(s.ask("POST", "/api/cache/invalidate", nil, with(ann, "Origin", s.url)...), 200, nil)
	wantProblem(t, s.ask("POST", "/api/cache/invalidate", nil, with(ann)...), 403, "no Origin")
	wantProblem(t, s.ask("POST", "/api/cache/invalidate", nil, with(ann, "Origin", "http://evil.example")...), 403, "origin")
	wantProblem(t, s.get("/api/keys", with(ann)...), 403, "admin")
	s.must(s.get("/api/keys", with(owner)...), 200, nil)

	// A new password ends all sessions but the one that asked for it, which gets a new id.
	other := s.post("POST", "/api/auth/session", `{"username":"ann","password":"correct horse"}`, page...).Cookies()[0]
	if other.Value == ann.Value {
		t.Error("a login did not make a new id")
	}
	r = s.post("POST", "/api/auth/change-password", `{"current_password":"correct horse","new_password":"another horse"}`, with(ann, "Origin", s.url)...)
	s.must(r, 200, nil)
	fresh := r.Cookies()[0]
	for _, gone := range []*http.Cookie{ann, other} {
		r = s.get("/api/system/info", with(gone)...)
		wantProblem(t, r, 401, "session")
		if c := r.Cookies(); len(c) != 1 || c[0].Name != gone.Name || c[0].MaxAge >= 0 {
			t.Errorf("the browser keeps the cookie: %v", c)
		}
	}
	s.must(s.get("/health", with(ann)...), 200, nil) // nothing is needed there
	conn := s.dial("/ws", with(fresh, "Origin", s.url)...)
	next(t, conn)
	r = s.ask("DELETE", "/api/auth/session", nil, with(fresh, "Origin", s.url)...)
	s.must(r, 200, nil)
	wantProblem(t, s.get("/api/system/info", with(fresh)...), 401, "Invalid session")
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if strings.Contains(err.Error(), "timeout") {
				t.Error("a stream of a session that ended goes on")
			}
			break
		}
	}
	// The owner with an old cookie hears of it, too.
	wantProblem(t, s.get("/api/system/info", "Cookie", ann.Name+"="+ann.Value), 401, "session")
}

// TestGuessingIsSlowedDownForTheGuesser and for nobody else.
func TestGuessingIsSlowedDownForTheGuesser(t *testing.T) {
	st := DefaultSettings()
	st.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	st.NoLimits = true // those of requests, which are lower
	s := start(t, func(o *Options) { o.Settings = func() *Settings { return st } }, nil)
	s.must(s.post("POST", "/api/auth/register", `{"username":"ann","password":"correct horse"}`), 200, nil)
	key, _ := s.key("app", "viewer")
	from := func(ip string) []string { return []string{"X-Forwarded-For", ip} }
	guess := func(ip, password string) reply {
		return s.post("POST", "/api/auth/login", `{"username":"ann","password":"`+password+`"}`, from(ip)...)
	}
	s.must(guess("192.0.2.7", "correct horse"), 200, nil) // where ann usually is
	var r reply
	for range 200 { // on a slow machine the budget grows while it is used
		if r = guess("192.0.2.1", "wrong guess"); r.StatusCode != 401 {
			break
		}
	}
	wantProblem(t, r, 429, "too many failed attempts")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.must(guess("192.0.2.7", "correct horse"), 200, nil)                                                // not for ann
	s.must(s.get("/api/system/info", append(from("192.0.2.1"), "X-API-Key", key)...), 200, nil)          // a valid key is always taken
	s.must(s.post("POST", "/api/auth/login", `{"username":"ann","password":"correct horse"}`), 200, nil) // nor for the owner
	for range 200 {                                                                                      // wrong keys are slowed down alike
		if r = s.get("/api/system/info", append(from("192.0.2.9"), "X-API-Key", "cc_x_y")...); r.StatusCode != 401 {
			break
		}
	}
	wantProblem(t, r, 429, "too many failed attempts")
	s.must(s.get("/api/system/info", append(from("192.0.2.9"), "X-API-Key", key)...), 200, nil)
}

func TestOpenModeLetsOlderClientsIn(t *testing.T) {
	st := DefaultSettings()
	st.Auth = ModeOpen
	var current atomic.Pointer[Settings]
	current.Store(st)
	s := start(t, func(o *Options) { o.Settings = current.Load }, nil)
	var b TokenBody
	s.must(s.post("POST", "/api/auth/login", `{"username":"admin","password":"whatever"}`), 200, &b)
	var me MeBody
	s.must(s.get("/api/auth/me", "Authorization", "Bearer "+b.Token), 200, &me)
	if me.Role != "admin" || me.Access != "admin" || me.Username == "" {
		t.Errorf("me %+v", me)
	}
	wantProblem(t, s.post("POST", "/api/auth/login", `{"username":"admin","password":"whatever"}`, stranger...), 401, "Incorrect")
	wantProblem(t, s.get("/api/auth/me", bearer(b.Token)...), 401, "Invalid authentication token")
	current.Store(DefaultSettings())
	wantProblem(t, s.get("/api/auth/me", "Authorization", "Bearer "+b.Token), 401, "Invalid authentication token")
}

func TestFirstPasswordIsGeneratedAndGoesWithItsUse(t *testing.T) {
	s := start(t, nil, nil)
	path := filepath.Join(filepath.Dir(s.store.Info().Path), "initial-password")
	wantProblem(t, s.post("POST", "/api/auth/login", `{"username":"admin","password":"admin123"}`, stranger...), 401, "Incorrect")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name, password, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if strings.Contains(s.logs.String(), password) {
		t.Error("the password is in the log")
	}
	var me MeBody
	s.must(s.get("/api/auth/me", bearer(s.login(name, password))...), 200, &me)
	if me.Role != "admin" {
		t.Errorf("%+v", me)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestTokenInTheAddressIsForWebSocketsAndNeverLogged(t *testing.T) {
	logs := &lockedBuffer{}
	s := start(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, nil)
	key, _ := s.key("app", "viewer")
	for _, path := range []string{"/ws", "/api/system/ws", "/api/system/metrics"} {
		next(t, s.dial(path+"?token="+key, stranger...))
	}
	wantProblem(t, s.get("/api/system/info?token="+key, stranger...), 401, "Not authenticated")
	wantProblem(t, s.get("/api/system/ws?token="+key, stranger...), 401, "Not authenticated") // no upgrade
	d := websocket.Dialer{}
	for path, want := range map[string]int{"/api/system/ws?token=wrong-token": 401, "/ws?token=wrong-token": 101, "/api/system/ws?token=null": 101} {
		c, r, err := d.DialContext(t.Context(), strings.Replace(s.url, "http", "ws", 1)+path, nil)
		if err == nil {
			_ = c.Close()
		}
		if r == nil || r.StatusCode != want {
			t.Errorf("the owner at %s: %v %v, want %d", path, r, err, want)
		}
	}
	waitFor(t, "the log of the requests", func() bool { return strings.Count(logs.String(), "/api/system/ws") >= 4 })
	rows, _, err := s.o.Audit.List(t.Context(), auditAll)
	if err != nil {
		t.Fatal(err)
	}
	text := logs.String() + fmt.Sprint(rows)
	if strings.Contains(text, key[14:]) || strings.Contains(text, "wrong-token") {
		t.Error("a token was written down")
	}
}
