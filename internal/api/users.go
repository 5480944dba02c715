package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"controlcenter/internal/auth"
)

// UserRow is a user as the API shows it.
type UserRow struct {
	ID        uint64  `json:"id"`
	Username  string  `json:"username"`
	Email     *string `json:"email"`
	FullName  *string `json:"full_name"`
	Role      string  `json:"role" enum:"admin,user,readonly"`
	Access    string  `json:"access" enum:"admin,operator,viewer"`
	Active    bool    `json:"is_active"`
	CreatedAt string  `json:"created_at" format:"date-time"`
	LastLogin *string `json:"last_login" format:"date-time"`
}

func userRow(u *auth.User) UserRow {
	row := UserRow{
		ID: u.ID, Username: u.Name, Email: given(u.Email), FullName: given(u.FullName), Role: u.Role.Old(), Access: u.Role.String(),
		Active: u.Active, CreatedAt: stamp(u.Created),
	}
	if !u.LastLogin.IsZero() {
		at := stamp(u.LastLogin)
		row.LastLogin = &at
	}
	return row
}

// UsersBody is the answer of GET /api/auth/users.
type UsersBody struct {
	Success bool      `json:"success"`
	Total   int       `json:"total"`
	Users   []UserRow `json:"users"`
}

// RegisterInput is the body of POST /api/auth/register.
type RegisterInput struct {
	Body struct {
		Username string `json:"username" minLength:"3" maxLength:"100"`
		Password string `json:"password" minLength:"8" maxLength:"256"`
		Email    string `json:"email,omitempty" maxLength:"254"`
		FullName string `json:"full_name,omitempty" maxLength:"100"`
		Role     string `json:"role,omitempty" enum:"admin,user,readonly,operator,viewer" doc:"user (the default) = operator, readonly = viewer"`
	}
}

// UserInput names a user by number or name.
type UserInput struct {
	ID string `path:"id" maxLength:"100" doc:"Number or name"`
}

// UserChangeBody changes a user; what is left out stays.
type UserChangeBody struct {
	Email    *string `json:"email,omitempty" maxLength:"254"`
	FullName *string `json:"full_name,omitempty" maxLength:"100"`
	Role     *string `json:"role,omitempty" enum:"admin,user,readonly,operator,viewer" doc:"Admins only"`
	Active   *bool   `json:"is_active,omitempty" doc:"Admins only"`
}

// MeInput is the body of PUT /api/auth/me.
type MeInput struct{ Body UserChangeBody }

// UserPutInput is the body of PUT /api/auth/users/{id}.
type UserPutInput struct {
	UserInput
	Body struct {
		UserChangeBody
		Password *string `json:"password,omitempty" minLength:"8" maxLength:"256" doc:"Ends all sessions and tokens of the user"`
	}
}

// PasswordInput is the body of POST /api/auth/change-password.
type PasswordInput struct {
	Body struct {
		Current string `json:"current_password" maxLength:"256"`
		New     string `json:"new_password" minLength:"8" maxLength:"256"`
	}
}

type passwordAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"A new session, where the request came with one"`
	Body      DoneBody
}

// UserStatsBody is the answer of GET /api/auth/stats.
type UserStatsBody struct {
	Total     int            `json:"total_users"`
	Active    int            `json:"active_users"`
	Inactive  int            `json:"inactive_users"`
	ByRole    map[string]int `json:"by_role"`
	Timestamp string         `json:"timestamp" format:"date-time"`
}

func (s *Server) userRows() []*row {
	g := group("Users and keys")
	const at = authPrefix + "users/{id}"
	return []*row{
		typed(s, "PUT", authPrefix+"me", viewer, "Change your own data", s.putMe, g, about("403 for `role` and `is_active` unless you are admin.")),
		typed(s, "POST", authPrefix+"change-password", viewer, "Change your password", s.changePassword, g, about(
			"Ends all your sessions and tokens but the session the request came with. 401 when the current password is wrong.")),
		typed(s, "POST", authPrefix+"register", admin, "Make a user", s.addUser, g, about("400 when the name is taken.")),
		typed(s, "GET", authPrefix+"users", admin, "All users", s.listUsers, g),
		typed(s, "GET", at, admin, "A user", s.getUser, g),
		typed(s, "PUT", at, admin, "Change a user", s.putUser, g, about("A new password, and `is_active: false`, end the sessions and tokens of the user at once. 409 for the last active admin.")),
		typed(s, "DELETE", at, admin, "Delete a user", s.deleteUser, g, about("400 for yourself, 409 for the last active admin.")),
		typed(s, "GET", authPrefix+"stats", admin, "How many users there are", s.userStats, g),
	}
}

// self is the user that the caller is.
func (s *Server) self(ctx context.Context) (*auth.Auth, *auth.User, error) {
	a, err := s.users()
	if err != nil {
		return nil, nil, err
	}
	c := infoOf(ctx).caller
	if c.user == 0 {
		return nil, nil, problemf(http.StatusBadRequest, "you are known by method %s, not as a user with a password", c.method)
	}
	u, err := a.User(c.user)
	return a, u, authProblem(err)
}

func (in *UserChangeBody) change() (auth.UserChange, error) {
	c := auth.UserChange{Email: in.Email, FullName: in.FullName, Active: in.Active}
	if in.Role != nil {
		r, err := auth.ParseRole(*in.Role)
		if err != nil {
			return c, invalid(FieldError{Loc: []string{"body", "role"}, Msg: err.Error(), Type: "enum"})
		}
		c.Role = &r
	}
	return c, nil
}

func (s *Server) putMe(ctx context.Context, in *MeInput) (*answerOf[UserRow], error) {
	a, u, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if (in.Body.Role != nil || in.Body.Active != nil) && infoOf(ctx).caller.role < admin {
		return nil, problem(http.StatusForbidden, "role and is_active: only an admin may change them")
	}
	c, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	aimAt(ctx, u.Name)
	if u, err = a.ChangeUser(ctx, u.ID, c); err != nil {
		return nil, authProblem(err)
	}
	return ok(userRow(u)), nil
}

func (s *Server) changePassword(ctx context.Context, in *PasswordInput) (*passwordAnswer, error) {
	a, u, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	aimAt(ctx, u.Name)
	if err := a.Confirm(ctx, u.ID, in.Body.Current, s.attemptOf(ctx)); err != nil {
		if p, ok := authProblem(err).(*Problem); ok && p.status == http.StatusUnauthorized { //nolint:errorlint // just made
			return nil, unauthenticated("Incorrect current password")
		}
		return nil, authProblem(err)
	}
	session := infoOf(ctx).caller.session
	if u, err = a.ChangeUser(ctx, u.ID, auth.UserChange{Password: &in.Body.New}); err != nil {
		return nil, authProblem(err)
	}
	out := &passwordAnswer{Body: done("password changed")}
	if session != "" {
		next, err := s.session(ctx, auth.Identity{Subject: infoOf(ctx).caller.id, Name: u.Name, Role: u.Role, User: u.ID})
		if err != nil {
			return nil, err
		}
		out.SetCookie = next.SetCookie
	}
	return out, nil
}

func (s *Server) addUser(ctx context.Context, in *RegisterInput) (*answerOf[UserRow], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	level := auth.Operator
	if in.Body.Role != "" {
		if level, err = auth.ParseRole(in.Body.Role); err != nil {
			return nil, invalid(FieldError{Loc: []string{"body", "role"}, Msg: err.Error(), Type: "enum"})
		}
	}
	aimAt(ctx, in.Body.Username)
	u, err := a.AddUser(ctx, auth.NewUser{Name: in.Body.Username, Password: in.Body.Password, Email: in.Body.Email, FullName: in.Body.FullName, Role: level})
	if err != nil {
		return nil, authProblem(err)
	}
	return ok(userRow(u)), nil
}

// user finds a user by number or name; a name of digits only is found by its number first.
func (s *Server) user(given string) (*auth.Auth, *auth.User, error) {
	a, err := s.users()
	if err != nil {
		return nil, nil, err
	}
	if id, err := strconv.ParseUint(given, 10, 64); err == nil {
		if u, err := a.User(id); err == nil {
			return a, u, nil
		}
	}
	u, err := a.UserNamed(given)
	return a, u, authProblem(err)
}

func (s *Server) listUsers(context.Context, *noInput) (*answerOf[UsersBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	body := UsersBody{Success: true, Users: []UserRow{}}
	for _, u := range a.Users() {
		body.Users = append(body.Users, userRow(u))
	}
	body.Total = len(body.Users)
	return ok(body), nil
}

func (s *Server) getUser(_ context.Context, in *UserInput) (*answerOf[UserRow], error) {
	_, u, err := s.user(in.ID)
	if err != nil {
		return nil, err
	}
	return ok(userRow(u)), nil
}

func (s *Server) putUser(ctx context.Context, in *UserPutInput) (*answerOf[UserRow], error) {
	a, u, err := s.user(in.ID)
	if err != nil {
		return nil, err
	}
	c, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	c.Password = in.Body.Password
	aimAt(ctx, u.Name)
	if u, err = a.ChangeUser(ctx, u.ID, c); err != nil {
		return nil, authProblem(err)
	}
	return ok(userRow(u)), nil
}

func (s *Server) deleteUser(ctx context.Context, in *UserInput) (*answerOf[DoneBody], error) {
	a, u, err := s.user(in.ID)
	if err != nil {
		return nil, err
	}
	aimAt(ctx, u.Name)
	if u.ID == infoOf(ctx).caller.user {
		return nil, problem(http.StatusBadRequest, "you cannot delete yourself")
	}
	if err := a.RemoveUser(ctx, u.ID); err != nil {
		return nil, authProblem(err)
	}
	return ok(done("user " + u.Name + " deleted")), nil
}

func (s *Server) userStats(context.Context, *noInput) (*answerOf[UserStatsBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	b := UserStatsBody{ByRole: map[string]int{"admin": 0, "user": 0, "readonly": 0}, Timestamp: stamp(time.Now())}
	for _, u := range a.Users() {
		b.Total++
		b.ByRole[u.Role.Old()]++
		if u.Active {
			b.Active++
		}
	}
	b.Inactive = b.Total - b.Active
	return ok(b), nil
}
