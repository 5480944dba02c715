package config

import "controlcenter/internal/unit"

// Auth says who may do what, with and without credentials.
type Auth struct {
	Mode string `yaml:"mode" flag:"auth.mode" enum:"owner credentials open" doc:"Whom the server obeys without credentials over loopback TCP: owner = processes of exactly the user it runs as; credentials = nobody; open = every local process, with listeners on loopback addresses only. The unix socket is its user's and root's in each mode."`
	// Anonymous names groups of routes; empty = none.
	Anonymous []string `yaml:"anonymous" enum:"health metrics stats" unique:"true" doc:"Routes that every local process may read without credentials: health = /health and below, metrics = /metrics and /metrics/node, stats = /api/system/stats. Through a proxy only health."`
	// BasicRoles maps users of the web configuration file to roles.
	BasicRoles map[string]string `yaml:"basic_roles" enum:"viewer operator admin" doc:"Roles of users of basic_auth_users in web.config_file, by name; who is not named is a viewer."`
	// JWTSecret signs the tokens of the older login; "" = generated and kept in the store.
	JWTSecret    string       `yaml:"jwt_secret" secret:"true" format:"secret32" doc:"Signs the tokens of /api/auth/login; none = one that is generated and kept with the state. A new one ends all tokens."`
	DefaultAdmin DefaultAdmin `yaml:"default_admin" doc:"The user that is made when there is none."`
	Session      Session      `yaml:"session" doc:"Sessions of browsers."`
}

// DefaultAdmin is the first user.
type DefaultAdmin struct {
	Username string `yaml:"username" format:"user" doc:"Its name."`
	// Password is "" when one is to be generated.
	Password string `yaml:"password" secret:"true" format:"password" doc:"Its password; none = one is generated when somebody first wants to log in, and put into the file initial-password below storage.path until it is used."`
}

// Session is how long browsers stay logged in.
type Session struct {
	Idle unit.Duration `yaml:"idle" min:"1m" max:"90d" doc:"Time without a request after which a session ends."`
	Max  unit.Duration `yaml:"max" min:"1m" max:"365d" doc:"Time after which it ends in any case."`
}

// Audit says how much of the audit log is kept.
type Audit struct {
	Keep   int           `yaml:"keep" min:"1000" max:"10000000" doc:"Rows of changes that are kept; of refusals a quarter of it."`
	MaxAge unit.Duration `yaml:"max_age" min:"1d" max:"3650d" doc:"Age at which rows are removed."`
}

// oldSecret takes JWT_SECRET of the older backend, unless it is too short to be one: anybody who guesses it is anybody.
func oldSecret(get func(string) string) (value, warn, wrong string) {
	s := get("JWT_SECRET")
	if _, ok := secret32(s); s != "" && !ok {
		return "", "environment JWT_SECRET: shorter than 32 characters, so it is ignored and a generated one is used", ""
	}
	return s, "", ""
}

// oldPassword takes DEFAULT_ADMIN_PASSWORD, unless it is one that everybody knows.
func oldPassword(get func(string) string) (value, warn, wrong string) {
	s := get("DEFAULT_ADMIN_PASSWORD")
	if _, ok := password(s); s != "" && !ok {
		return "", "environment DEFAULT_ADMIN_PASSWORD: shorter than 8 characters, so it is ignored and a password is generated when one is needed", ""
	}
	return s, "", ""
}
