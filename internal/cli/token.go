package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

const keysPath = "/api/keys"

// apiKey is a key as the daemon shows it.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	Key       string     `json:"key"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt *time.Time `json:"expires_at"`
	Expired   bool       `json:"expired"`
	LastUsed  *time.Time `json:"last_used"`
}

func (e *env) tokenCmd() *cobra.Command {
	return group("token", "Make, list and revoke API keys", `  controlcenter token create prometheus --role viewer
  controlcenter token list
  controlcenter token revoke prometheus`, e.tokenCreateCmd(), e.tokenListCmd(), e.tokenRevokeCmd())
}

func (e *env) tokenCreateCmd() *cobra.Command {
	role, expires, quiet := "viewer", "", false
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key and show it once",
		Long: `Make an API key. It is shown once; the daemon keeps only a digest of it. A viewer reads,
an operator also starts and stops, an admin may do everything, so it may run any
command as the daemon's user.`,
		Example: `  controlcenter token create prometheus --role viewer --quiet > /etc/prometheus/controlcenter.key
  controlcenter token create ci --role operator --expires 90d`,
		Args: exactArgs("NAME"),
		RunE: e.run(func(c *call) error {
			var k apiKey
			body := map[string]string{"name": c.args[0], "role": role}
			if expires != "" {
				body["expires_in"] = expires
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPost, keysPath, body, &k)
			if err != nil {
				return err
			}
			if quiet {
				_, err := fmt.Fprintln(e.o.Stdout, clean(k.Key))
				return err
			}
			return e.print(raw, func() error {
				until := "does not expire"
				if k.ExpiresAt != nil {
					until = "expires " + k.ExpiresAt.Local().Format(time.DateTime)
				}
				_, err := fmt.Fprintf(e.o.Stdout, "%s\n\nThis is the only time the key is shown. %s (id %s), role %s, %s.\nUse it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\", or in CC_API_KEY.\n",
					clean(k.Key), clean(k.Name), clean(k.ID), clean(k.Role), until)
				return err
			})
		}, needDaemon),
	}
	cmd.Flags().StringVar(&role, "role", role, "viewer, operator or admin")
	cmd.Flags().StringVar(&expires, "expires", "", "time until it expires, such as 12h or 90d (default never)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the key alone")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "operator", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *env) tokenListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show API keys, never the keys themselves",
		Example: `  controlcenter token list`,
		Args:    maxArgs(0),
		RunE: e.run(func(c *call) error {
			var body struct {
				Keys []apiKey `json:"keys"`
			}
			raw, err := c.client.decode(c.ctx, keysPath, &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("ID", "NAME", "ROLE", "CREATED", "BY", "EXPIRES", "LAST USED")
				for _, k := range body.Keys {
					expires := "never"
					switch {
					case k.Expired:
						expires = "expired"
					case k.ExpiresAt != nil:
						expires = localTime(k.ExpiresAt)
					}
					t.add(k.ID, k.Name, k.Role, localTime(&k.CreatedAt), k.CreatedBy, expires, localTime(k.LastUsed))
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}

func (e *env) tokenRevokeCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID|NAME",
		Short:   "Revoke an API key at once",
		Example: `  controlcenter token revoke prometheus`,
		Args:    exactArgs("ID|NAME"),
		RunE: e.run(func(c *call) error {
			return e.done(c, http.MethodDelete, keysPath+"/"+url.PathEscape(c.args[0]), nil)
		}, needDaemon),
	}
}

// done sends something and prints the message of the answer.
func (e *env) done(c *call, method, path string, body any) error {
	var answer struct {
		Message string `json:"message"`
	}
	raw, err := c.client.exchange(c.ctx, method, path, body, &answer)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		_, err := fmt.Fprintln(e.o.Stdout, clean(answer.Message))
		return err
	})
}

// localTime is a time for a table, "" for none.
func localTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
