package api

import (
	"context"
	"net/http"
	"time"

	"controlcenter/internal/auth"
	"controlcenter/internal/unit"
)

// KeyRow is what is known of an API key.
type KeyRow struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Role      string  `json:"role" enum:"admin,operator,viewer"`
	CreatedAt string  `json:"created_at" format:"date-time"`
	CreatedBy string  `json:"created_by"`
	ExpiresAt *string `json:"expires_at" format:"date-time" doc:"null = never"`
	Expired   bool    `json:"expired"`
	LastUsed  *string `json:"last_used" format:"date-time" doc:"null = never"`
}

func keyRow(k *auth.Key) KeyRow {
	row := KeyRow{ID: k.ID, Name: k.Name, Role: k.Role.String(), CreatedAt: stamp(k.Created), CreatedBy: k.By}
	if !k.Expires.IsZero() {
		at := stamp(k.Expires)
		row.ExpiresAt, row.Expired = &at, !time.Now().Before(k.Expires)
	}
	if !k.LastUsed.IsZero() {
		at := stamp(k.LastUsed)
		row.LastUsed = &at
	}
	return row
}

// KeysBody is the answer of GET /api/keys.
type KeysBody struct {
	Success bool     `json:"success"`
	Keys    []KeyRow `json:"keys" doc:"Newest first"`
}

// NewKeyInput is the body of POST /api/keys.
type NewKeyInput struct {
	Body struct {
		Name    string `json:"name" minLength:"1" maxLength:"100" doc:"For people: who or what uses it"`
		Role    string `json:"role" enum:"viewer,operator,admin"`
		Expires string `json:"expires_in,omitempty" maxLength:"20" example:"90d" doc:"Time until it expires, such as 12h or 90d; none = it never does"`
	}
}

// NewKeyBody is its answer.
type NewKeyBody struct {
	Success bool   `json:"success"`
	Key     string `json:"key" doc:"Shown this once: for Authorization: Bearer or X-API-Key"`
	KeyRow
}

// KeyInput names a key.
type KeyInput struct {
	ID string `path:"id" maxLength:"100" doc:"Id, or a name that only one key has"`
}

func (s *Server) keyRows() []*row {
	g := group("Users and keys")
	return []*row{
		typed(s, "GET", "/api/keys", admin, "API keys", s.listKeys, g, about("Never the keys themselves: only a digest of each is kept.")),
		typed(s, "POST", "/api/keys", admin, "Make an API key", s.newKey, g, answers(http.StatusCreated), about("The answer shows the key; nothing shows it again.")),
		typed(s, "DELETE", "/api/keys/{id}", admin, "Revoke an API key", s.revokeKey, g, about("In force with the next request; what the key has open is closed.")),
	}
}

func (s *Server) listKeys(context.Context, *noInput) (*answerOf[KeysBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	body := KeysBody{Success: true, Keys: []KeyRow{}}
	for _, k := range a.Keys() {
		body.Keys = append(body.Keys, keyRow(&k))
	}
	return ok(body), nil
}

func (s *Server) newKey(ctx context.Context, in *NewKeyInput) (*answerOf[NewKeyBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	level, err := auth.ParseRole(in.Body.Role)
	if err != nil {
		return nil, invalid(FieldError{Loc: []string{"body", "role"}, Msg: err.Error(), Type: "enum"})
	}
	var life time.Duration
	if in.Body.Expires != "" {
		d, err := unit.ParseDuration(in.Body.Expires)
		if err != nil || d.Std() <= 0 {
			return nil, invalid(FieldError{Loc: []string{"body", "expires_in"}, Msg: "must be a time such as 12h or 90d", Type: "value"})
		}
		life = d.Std()
	}
	aimAt(ctx, in.Body.Name)
	secret, k, err := a.NewKey(ctx, in.Body.Name, level, life, actor(ctx))
	if err != nil {
		return nil, authProblem(err)
	}
	return &answerOf[NewKeyBody]{http.StatusCreated, NewKeyBody{true, secret, keyRow(&k)}}, nil
}

func (s *Server) revokeKey(ctx context.Context, in *KeyInput) (*answerOf[DoneBody], error) {
	a, err := s.users()
	if err != nil {
		return nil, err
	}
	for _, k := range a.Keys() {
		if k.ID == in.ID || k.Name == in.ID {
			aimAt(ctx, k.Name+" ("+k.ID+")")
		}
	}
	k, err := a.RevokeKey(ctx, in.ID)
	if err != nil {
		return nil, authProblem(err)
	}
	return ok(done("key " + k.Name + " revoked")), nil
}
