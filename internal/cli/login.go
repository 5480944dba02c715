package cli

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
	"controlcenter/internal/private"
)

func (e *env) loginCmd() *cobra.Command {
	open := false
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log a browser in without a password",
		Long: `Print an address that logs a browser in as you. It works once and for a minute; the
code stands behind the #, which browsers send to nobody.`,
		Example: `  controlcenter login
  controlcenter login --open`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var code struct {
				Path   string   `json:"path"`
				Listen []string `json:"listen"`
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPost, authPath+"codes", nil, &code)
			if err != nil {
				return err
			}
			base, err := e.browserURL(c.client, code.Listen)
			if err != nil {
				return err
			}
			address := base + code.Path
			if open {
				return e.openBrowser(c.ctx, address)
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintln(e.o.Stdout, clean(address))
				return err
			})
		}, needDaemon),
	}
	cmd.Flags().BoolVar(&open, "open", false, "open it in the browser of this machine")
	return cmd
}

// browserURL is where a browser reaches the daemon that a client talks to, which says where it listens.
func (e *env) browserURL(c *client, listen []string) (string, error) {
	if c.socket == "" {
		return c.base, nil
	}
	l, err := config.Load(e.loadOptions(nil))
	if err != nil {
		return "", fmt.Errorf("find the address for browsers: %w", err)
	}
	file, err := config.ReadWebFile(l.Config.Web.ConfigFile)
	if err != nil {
		return "", err
	}
	scheme := "http://"
	if file.TLS {
		scheme = "https://"
	}
	address := l.Config.Web.ListenAddresses[0]
	if len(listen) > 0 {
		address = listen[0]
	}
	return scheme + reachable(address), nil
}

// openBrowser opens an address by way of a file that only this user can read: the arguments of a process can be read by all
// users, and whoever is faster than the browser would be logged in.
func (e *env) openBrowser(ctx context.Context, address string) error {
	dir, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("open the browser: %w", err)
	}
	dir = filepath.Join(dir, "controlcenter")
	if err := private.Dir(dir); err != nil {
		return fmt.Errorf("open the browser: %w", err)
	}
	path := filepath.Join(dir, "login.html")
	_ = os.Remove(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("open the browser: %w", err)
	}
	_, err = fmt.Fprintf(f, `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url=%s"><title>Control Center</title>`+"\n", html.EscapeString(address))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("open the browser: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	argv := browser(path)
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		_ = os.Remove(path)
		return exitf(ExitFailed, "open the browser by %s: %w: %s; without --open the address is printed", argv[0], err, clean(string(out)))
	}
	return nil
}
