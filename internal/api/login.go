package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/internal/auth"
)

const authPrefix = "/api/auth/"

// LoginInput is the body of POST /api/auth/login.
type LoginInput struct{ Body LoginBody }

// LoginBody is a user and a password.
type LoginBody struct {
	Username string `json:"username" minLength:"3" maxLength:"100"`
	Password string `json:"password" minLength:"6" maxLength:"256"`
}

// TokenBody is the answer of a login.
type TokenBody struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type" example:"bearer"`
	Expires int    `json:"expires_in" doc:"Seconds"`
}

// SessionInput is the body of POST /api/auth/session: a user and a password, or a code.
type SessionInput struct {
	Body struct {
		Username string `json:"username,omitempty" maxLength:"100"`
		Password string `json:"password,omitempty" maxLength:"256"`
		Code     string `json:"code,omitempty" maxLength:"200" doc:"Of POST /api/auth/codes, instead of user and password"`
	}
}

// MeBody says who the caller is.
type MeBody struct {
	ID        uint64  `json:"id" doc:"Number of the user; 0 = not a user with a password"`
	Username  string  `json:"username"`
	Email     *string `json:"email"`
	FullName  *string `json:"full_name"`
	Role      string  `json:"role" enum:"admin,user,readonly" doc:"As older clients name it"`
	Access    string  `json:"access" enum:"admin,operator,viewer"`
	Method    string  `json:"method" enum:"owner,key,session,token,basic,certificate,open" doc:"How it was proved"`
	Active    bool    `json:"is_active"`
	CreatedAt *string `json:"created_at" format:"date-time"`
	LastLogin *string `json:"last_login" format:"date-time"`
}

type sessionAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"The session: HttpOnly, SameSite=Strict, for this host alone"`
	Body      MeBody
}

// CodeBody is a login that can be taken once.
type CodeBody struct {
	Success bool     `json:"success"`
	Code    string   `json:"code" doc:"For POST /api/auth/session, once"`
	Expires string   `json:"expires_at" format:"date-time"`
	Listen  []string `json:"listen" doc:"Addresses that the server listens on"`
	Path    string   `json:"path" doc:"Of a page that takes it; the code stands behind the #, which browsers keep to themselves"`
}

type cookieAnswer struct {
	SetCookie string `header:"Set-Cookie"`
	Body      DoneBody
}

func (s *Server) loginRows() []*row {
	g := group("Users and keys")
	form := func(op *huma.Operation, schemas huma.Registry) {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{formType: {Schema: schemas.Schema(typeOf[LoginBody](), true, "")}}}
		op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{jsonType: {Schema: schemas.Schema(typeOf[TokenBody](), true, "")}}}
	}
	return []*row{
		typed(s, "POST", authPrefix+"login", anonymous, "Log in for a token", s.login, g, login, about(
			"For clients of the older login; a browser takes a session, a program an API key. 429 with `Retry-After` after too many failed attempts.")),
		raw("POST", authPrefix+"login/form", anonymous, "Log in for a token, by a form", s.loginForm, form, g, login, func(r *row) { r.bodyType, r.bodyLimit = formType, 8<<10 }),
		typed(s, "POST", authPrefix+"session", anonymous, "Log a browser in", s.openSession, g, login, about(
			"With user and password, or with a code of `controlcenter login`. The cookie is out of reach of scripts and of other sites.")),
		typed(s, "DELETE", authPrefix+"session", anonymous, "Log a browser out", s.closeSession, g),
		typed(s, "POST", authPrefix+"codes", viewer, "A code with which a browser can log in as you", s.newCode, g, about(
			"It can be taken once, within a minute. The session it gives ends with what you have now: a key that is revoked, a user who is deactivated.")),
		typed(s, "GET", authPrefix+"me", viewer, "Who you are", s.me, g),
	}
}

const formType = "application/x-www-form-urlencoded"

// users returns package auth, or the error that this server has no users.
func (s *Server) users() (*auth.Auth, error) {
	if s.o.Auth == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server keeps no users and keys")
	}
	return s.o.Auth, nil
}

// authProblem is the answer for errors of package auth; others are left as they are.
func authProblem(err error) error {
	if t, ok := errors.AsType[*auth.ThrottledError](err); ok {
		return throttled(t)
	}
	if v, ok := errors.AsType[*auth.InvalidError](err); ok {
		return invalid(FieldError{Loc: []string{"body", v.Field}, Msg: v.Text, Type: "value"})
	}
	switch {
	case errors.Is(err, auth.ErrWrong):
		return unauthenticated("Incorrect username or password")
	case errors.Is(err, auth.ErrExpired):
		return unauthenticated("The code has expired")
	case errors.Is(err, auth.ErrInactive):
		return problem(http.StatusForbidden, "Inactive user")
	case errors.Is(err, auth.ErrBusy):
		return problem(http.StatusTooManyRequests, err.Error()).with("Retry-After", "1")
	case errors.Is(err, auth.ErrNotFound):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, auth.ErrTaken):
		return problem(http.StatusBadRequest, "Username already registered")
	case errors.Is(err, auth.ErrLastAdmin):
		return problem(http.StatusConflict, err.Error())
	}
	return err
}

// token logs a user in. Under auth.mode open everybody on this machine may do everything: there any name and password give a
// token, which is worth nothing, so that clients of the older login get past their login page.
func (s *Server) token(ctx context.Context, name, password string) (*TokenBody, error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	info := infoOf(ctx)
	var token string
	if info.caller.owner && s.settings().Auth == ModeOpen {
		if token, err = a.NewOpenToken(name); err != nil {
			return nil, err //nolint:wrapcheck // internal
		}
		return &TokenBody{token, "bearer", int(auth.TokenLife / time.Second)}, nil
	}
	u, err := s.byPassword(ctx, name, password)
	if err != nil {
		return nil, err
	}
	if token, err = a.NewToken(u); err != nil {
		return nil, err //nolint:wrapcheck // internal
	}
	return &TokenBody{token, "bearer", int(auth.TokenLife / time.Second)}, nil
}

// byPassword proves a user.
func (s *Server) byPassword(ctx context.Context, name, password string) (*auth.User, error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	aimAt(ctx, "unknown user") // what was typed may be a password in the wrong field
	if u, err := a.UserNamed(name); err == nil {
		aimAt(ctx, u.Name)
	}
	u, err := a.Login(ctx, name, password, s.attemptOf(ctx))
	if err != nil {
		return nil, authProblem(err)
	}
	info := infoOf(ctx)
	info.caller.id, info.caller.name, info.caller.user = "user:"+strconv.FormatUint(u.ID, 10), u.Name, u.ID
	info.caller.role, info.caller.owner, info.caller.method = roleOf(u.Role), false, "password"
	return u, nil
}

// attemptOf is attempt for handlers that have no request.
func (s *Server) attemptOf(ctx context.Context) string {
	info := infoOf(ctx)
	if info.caller.owner || peerOf(ctx).owner && info.caller.local {
		return ""
	}
	return addressName(info.ip)
}

func (s *Server) login(ctx context.Context, in *LoginInput) (*answerOf[TokenBody], error) {
	body, err := s.token(ctx, in.Body.Username, in.Body.Password)
	if err != nil {
		return nil, err
	}
	return ok(*body), nil
}

func (s *Server) loginForm(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	var wrong []FieldError
	for _, f := range []struct {
		name, value string
		least, most int
	}{{"username", name, 3, 100}, {"password", password, 6, 256}} {
		if len(f.value) < f.least || len(f.value) > f.most {
			wrong = append(wrong, FieldError{[]string{"body", f.name}, "must have " + strconv.Itoa(f.least) + " to " + strconv.Itoa(f.most) + " characters", "range"})
		}
	}
	if wrong != nil {
		s.fail(w, r, invalid(wrong...))
		return
	}
	body, err := s.token(r.Context(), name, password)
	if err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	s.answer(w, r, http.StatusOK, body)
}

func (s *Server) openSession(ctx context.Context, in *SessionInput) (*sessionAnswer, error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	var who auth.Identity
	switch {
	case in.Body.Code != "" && in.Body.Username == "" && in.Body.Password == "":
		if who, err = a.Redeem(in.Body.Code, s.attemptOf(ctx)); errors.Is(err, auth.ErrWrong) {
			return nil, unauthenticated("This code was used already, has expired or never was: make another one with \"controlcenter login\"")
		}
		if err != nil {
			return nil, authProblem(err)
		}
	case in.Body.Code == "" && in.Body.Username != "" && in.Body.Password != "":
		u, err := s.byPassword(ctx, in.Body.Username, in.Body.Password)
		if err != nil {
			return nil, err
		}
		who = auth.Identity{Subject: infoOf(ctx).caller.id, Name: u.Name, Role: u.Role, User: u.ID}
	default:
		return nil, invalid(FieldError{Loc: []string{"body"}, Msg: "must have username and password, or code", Type: "missing"})
	}
	return s.session(ctx, who)
}

// session begins one and answers like me.
func (s *Server) session(ctx context.Context, who auth.Identity) (*sessionAnswer, error) {
	value, life, err := s.o.Auth.NewSession(ctx, who, addressName(infoOf(ctx).ip))
	if err != nil {
		return nil, authProblem(err)
	}
	c := caller{role: roleOf(who.Role), id: who.Subject, name: who.Name, method: auth.MethodSession, user: who.User}
	infoOf(ctx).caller = c
	return &sessionAnswer{s.sessionCookie(infoOf(ctx).http, value, life).String(), s.meOf(&c)}, nil
}

func (s *Server) closeSession(ctx context.Context, _ *noInput) (*cookieAnswer, error) {
	if key := infoOf(ctx).caller.session; key != "" {
		if err := s.o.Auth.EndSession(ctx, key); err != nil {
			return nil, err //nolint:wrapcheck // problemOf reads the kind
		}
	}
	return &cookieAnswer{s.sessionCookie(infoOf(ctx).http, "", 0).String(), done("logged out")}, nil
}

func (s *Server) newCode(ctx context.Context, _ *noInput) (*answerOf[CodeBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	c := infoOf(ctx).caller
	if c.method == auth.MethodBasic || c.method == auth.MethodCertificate {
		return nil, problem(http.StatusBadRequest, "the listener itself asks browsers for these credentials: there is nothing to log in to")
	}
	code, expires, err := a.NewCode(c.identity())
	if err != nil {
		return nil, authProblem(err)
	}
	return ok(CodeBody{true, code, stamp(expires), append([]string{}, s.settings().ListenAddresses...), "/#code=" + code}), nil
}

func (s *Server) me(ctx context.Context, _ *noInput) (*answerOf[MeBody], error) {
	c := infoOf(ctx).caller
	return ok(s.meOf(&c)), nil
}

func (s *Server) meOf(c *caller) MeBody {
	b := MeBody{Username: c.name, Role: c.role.access().Old(), Access: c.role.String(), Method: c.method, Active: true}
	if c.method == auth.MethodOpen {
		b.Username = "admin" // what clients of the older login expect of a server without users
	}
	if s.o.Auth == nil || c.user == 0 {
		return b
	}
	u, err := s.o.Auth.User(c.user)
	if err != nil {
		return b
	}
	row := userRow(u)
	b.ID, b.Username, b.Email, b.FullName, b.Active, b.CreatedAt, b.LastLogin = u.ID, u.Name, row.Email, row.FullName, u.Active, &row.CreatedAt, row.LastLogin
	return b
}
