package cli

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

const authPath = "/api/auth/"

// person is a user as the daemon shows it.
type person struct {
	ID        uint64     `json:"id"`
	Username  string     `json:"username"`
	Email     *string    `json:"email"`
	FullName  *string    `json:"full_name"`
	Access    string     `json:"access"`
	Method    string     `json:"method"`
	Active    bool       `json:"is_active"`
	CreatedAt *time.Time `json:"created_at"`
	LastLogin *time.Time `json:"last_login"`
}

func userPath(name string) string { return authPath + "users/" + url.PathEscape(name) }

func (e *env) userCmd() *cobra.Command {
	change := func(use, short, example string, body func(*call) (map[string]any, error), said string) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Example: example,
			Args: exactArgs("NAME"),
			RunE: e.run(func(c *call) error {
				with, err := body(c)
				if err != nil {
					return err
				}
				raw, err := c.client.exchange(c.ctx, http.MethodPut, userPath(c.args[0]), with, nil)
				if err != nil {
					return err
				}
				return e.print(raw, func() error {
					_, err := fmt.Fprintf(e.o.Stdout, "%s %s\n", clean(c.args[0]), said)
					return err
				})
			}, needDaemon),
		}
	}
	set := func(key string, value any) func(*call) (map[string]any, error) {
		return func(*call) (map[string]any, error) { return map[string]any{key: value}, nil }
	}
	role := change("role NAME ROLE", "Change the role of a user", `  controlcenter user role ann operator`,
		func(c *call) (map[string]any, error) { return map[string]any{"role": c.args[1]}, nil }, "has another role, in force at once")
	role.Args = exactArgs("NAME", "ROLE")
	return group("user", "Manage users who log in with a password", `  controlcenter user add ann --role operator
  controlcenter user list
  controlcenter user passwd ann`,
		e.userAddCmd(), e.userListCmd(), role,
		change("passwd NAME", "Set the password of a user, read from stdin", `  controlcenter user passwd ann
  pass show ann | controlcenter user passwd ann`, func(c *call) (map[string]any, error) {
			p, err := e.readSecret("password")
			if err == nil && p == "" {
				err = usagef("the password is empty")
			}
			return map[string]any{"password": p}, err
		}, "has a new password; sessions and tokens have ended"),
		change("disable NAME", "Let a user log in no more", `  controlcenter user disable ann`, set("is_active", false), "is disabled; sessions and tokens have ended"),
		change("enable NAME", "Let a user log in again", `  controlcenter user enable ann`, set("is_active", true), "is enabled"),
		&cobra.Command{
			Use: "rm NAME", Short: "Delete a user", Example: `  controlcenter user rm ann`,
			Args: exactArgs("NAME"),
			RunE: e.run(func(c *call) error { return e.done(c, http.MethodDelete, userPath(c.args[0]), nil) }, needDaemon),
		})
}

func (e *env) userAddCmd() *cobra.Command {
	role, email, full, generate := "viewer", "", "", false
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a user",
		Long: `Make a user. The password is read from stdin, on a terminal without showing it; with
--generate one is made and shown once.`,
		Example: `  controlcenter user add ann --role operator
  controlcenter user add ann --role admin --generate`,
		Args: exactArgs("NAME"),
		RunE: e.run(func(c *call) error {
			body := map[string]string{"username": c.args[0], "role": role, "email": email, "full_name": full}
			if generate {
				body["password"] = rand.Text()
			} else {
				p, err := e.readSecret("password")
				if err != nil {
					return err
				}
				if body["password"] = p; p == "" {
					return usagef("the password is empty; --generate makes one")
				}
			}
			for _, key := range []string{"email", "full_name"} {
				if body[key] == "" {
					delete(body, key)
				}
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPost, authPath+"register", body, nil)
			if err != nil {
				return err
			}
			if generate {
				_, _ = fmt.Fprintf(e.o.Stderr, "password (shown once): %s\n", body["password"])
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "user %s can log in now\n", clean(c.args[0]))
				return err
			})
		}, needDaemon),
	}
	cmd.Flags().StringVar(&role, "role", role, "viewer, operator or admin")
	cmd.Flags().StringVar(&email, "email", "", "address")
	cmd.Flags().StringVar(&full, "full-name", "", "name for people")
	cmd.Flags().BoolVar(&generate, "generate", false, "make a password and show it once")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "operator", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *env) userListCmd() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show users", Example: `  controlcenter user list`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var body struct {
				Users []person `json:"users"`
			}
			raw, err := c.client.decode(c.ctx, authPath+"users", &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("NAME", "ROLE", "STATE", "FULL NAME", "EMAIL", "LAST LOGIN")
				for _, u := range body.Users {
					state := "active"
					if !u.Active {
						state = "disabled"
					}
					t.add(u.Username, u.Access, state, text(u.FullName), text(u.Email), localTime(u.LastLogin))
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}

func (e *env) whoamiCmd() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who you are to the daemon, and what you may do", Example: `  controlcenter whoami
  controlcenter whoami --url https://box.example:8080`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var me person
			raw, err := c.client.decode(c.ctx, authPath+"me", &me)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "%s, role %s, known by %s at %s\n", clean(me.Username), clean(me.Access), clean(me.Method), clean(c.client.where))
				return err
			})
		}, needDaemon),
	}
}
