package app

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/api"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/config"
)

// openAuth opens keys and users, and the audit log, on the store that is open.
func (d *daemonState) openAuth(ctx context.Context, c *config.Config) (err error) {
	d.authSettings.Store(authSettings(c))
	d.auth, err = auth.Open(ctx, auth.Options{Store: d.store, Settings: d.authSettings.Load, Dir: c.Storage.Path, Log: d.log.With("component", "auth")})
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	d.audit = audit.New(d.store, d.log.With("component", "audit"), func() audit.Settings {
		c := d.loaded.Load().Config.Audit
		return audit.Settings{Keep: c.Keep, MaxAge: time.Duration(c.MaxAge)}
	})
	return nil
}

func (d *daemonState) runAuth(g *group) {
	g.run("audit", d.audit.Run)
	g.run("auth", d.auth.Run)
}

func authSettings(c *config.Config) *auth.Settings {
	return &auth.Settings{
		JWTSecret: c.Auth.JWTSecret, DefaultUser: c.Auth.DefaultAdmin.Username, DefaultPassword: c.Auth.DefaultAdmin.Password,
		SessionIdle: time.Duration(c.Auth.Session.Idle), SessionMax: time.Duration(c.Auth.Session.Max),
	}
}

// basicRoles are the roles of users that the listener checks. The configuration has checked the words.
func basicRoles(c *config.Config) map[string]auth.Role {
	out := make(map[string]auth.Role, len(c.Auth.BasicRoles))
	for name, word := range c.Auth.BasicRoles {
		if r, err := auth.ParseRole(word); err == nil {
			out[name] = r
		}
	}
	return out
}

// trustedProxies are networks; the configuration has checked their form.
func trustedProxies(c *config.Config) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range c.Web.TrustedProxies {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
		} else if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap()
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// checkReach refuses addresses that others can reach while nobody could prove who they are: whoever reaches this program can
// start commands in its owner's name.
func checkReach(addresses []string, file config.WebFile, some bool) error {
	if some || file.Credentials {
		return nil
	}
	for _, addr := range addresses {
		if !isLoopback(addr) {
			return fmt.Errorf("web.listen_addresses: %s can be reached from outside and there are no credentials: make a key while it listens on 127.0.0.1 only "+
				"(controlcenter token create NAME --role viewer), set auth.default_admin.password (DEFAULT_ADMIN_PASSWORD), "+
				"set web.config_file to a file with basic_auth_users or client certificates, or listen on 127.0.0.1", addr)
		}
	}
	return nil
}

// checkBasicRoles refuses roles for users whom no listener would ask.
func checkBasicRoles(c *config.Config, file config.WebFile) error {
	if len(c.Auth.BasicRoles) > 0 && !file.Users {
		names := slices.Sorted(maps.Keys(c.Auth.BasicRoles))
		return fmt.Errorf("auth.basic_roles names %s, but web.config_file has no basic_auth_users", strings.Join(names, ", "))
	}
	return nil
}

// shownConfig is the configuration in force for GET /api/config.
func (d *daemonState) shownConfig() []api.ConfigSetting {
	list := d.loaded.Load().Settings()
	out := make([]api.ConfigSetting, len(list))
	for i := range list {
		out[i] = api.ConfigSetting{Key: list[i].Key, Value: list[i].Value, Source: list[i].Source.String(), Secret: list[i].Secret}
	}
	return out
}
