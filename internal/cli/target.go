package cli

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"controlcenter/internal/config"
)

// typed is the value of a configuration flag: it keeps what was typed, as the configuration checks it, and where it is wrong
// names the flag.
type typed struct {
	kind   string
	values []string
}

// String, Set, Type and IsBoolFlag make typed a pflag.Value.
func (t *typed) String() string     { return "" }
func (t *typed) Set(s string) error { t.values = append(t.values, s); return nil }
func (t *typed) Type() string       { return t.kind }
func (t *typed) IsBoolFlag() bool   { return t.kind == "bool" }

// configFlags registers the flags that set configuration keys and returns what collects them.
func configFlags(fs *pflag.FlagSet) func() map[string][]string {
	got := map[string]*typed{}
	for _, f := range config.Flags() {
		v := &typed{kind: f.Kind}
		got[f.Key] = v
		flag := fs.VarPF(v, f.Name, "", f.Doc)
		flag.DefValue = f.Default
		if f.Kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return func() map[string][]string {
		out := map[string][]string{}
		for key, v := range got {
			if len(v.values) > 0 {
				out[key] = v.values
			}
		}
		return out
	}
}

// loadOptions says where the configuration is looked for, with the values of flags.
func (e *env) loadOptions(flags map[string][]string) config.Options {
	o := e.load
	o.File = e.configFile
	o.Flags = flags
	if e.storagePath != "" {
		if o.Flags == nil {
			o.Flags = map[string][]string{}
		}
		if _, ok := o.Flags["storage.path"]; !ok {
			o.Flags["storage.path"] = []string{e.storagePath}
		}
	}
	return o
}

// globalConfigFlags are the two that every verb takes, because they decide where the daemon's socket is.
func (e *env) globalConfigFlags(root *cobra.Command) {
	p := root.PersistentFlags()
	p.StringVar(&e.configFile, "config.file", "", "configuration file (default controlcenter.yaml here, else in the user's configuration directory)")
	p.StringVar(&e.storagePath, "storage.path", "", "folder of the server's state")
	_ = root.MarkPersistentFlagFilename("config.file", "yaml", "yml")
	_ = root.MarkPersistentFlagDirname("storage.path")
}

// dial returns a client of the daemon the user means: --url, else CC_URL, else the unix socket of the configuration, else its
// first listener. Nothing is sent yet.
func (e *env) dial() (*client, error) {
	if u := e.remote(); u != "" {
		return e.newClient(u, "")
	}
	l, err := config.Load(e.loadOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("%w\nthe configuration says where the daemon listens; --url does without it", err)
	}
	return e.local(&l.Config)
}

// remote is the URL the user named, "" when the daemon of this machine's configuration is meant.
func (e *env) remote() string {
	if e.url != "" {
		return e.url
	}
	return e.vars["CC_URL"]
}

// local is a client of the daemon that a configuration describes.
func (e *env) local(c *config.Config) (*client, error) {
	if c.Web.Socket != "" {
		return e.newClient("", c.Web.Socket)
	}
	return e.newClient("http://"+reachable(c.Web.ListenAddresses[0]), "")
}

func (e *env) newClient(rawURL, socket string) (*client, error) {
	if e.timeout <= 0 {
		return nil, usagef("--timeout: must be above 0")
	}
	c, err := newClient(rawURL, socket, e.userAgent(), e.timeout)
	if err != nil {
		return nil, err
	}
	if c.token, err = e.keyFor(rawURL); err != nil {
		return nil, err
	}
	if strings.HasPrefix(c.base, "http://") && c.socket == "" && c.token != "" && !isLoopbackURL(c.base) {
		fmt.Fprintf(e.o.Stderr, "controlcenter: warning: the key goes to %s unencrypted; whoever listens on the way has it\n", clean(c.where))
	}
	return c, nil
}

// reachable turns a listen address into one that can be dialled: a listener on every address is asked at loopback.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// isLoopbackURL says that a URL stays on this machine.
func isLoopbackURL(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
