package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"controlcenter/exporter"
	"controlcenter/internal/api"
	"controlcenter/internal/config"
)

// listener is one bound address.
type listener struct {
	net.Listener
	unix   bool
	scheme string
}

func (l *listener) name() string { return l.Addr().String() }

// url is where a browser or curl finds the listener.
func (l *listener) url() string {
	if l.unix {
		return "unix://" + l.name()
	}
	host, port, _ := net.SplitHostPort(l.name())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return l.scheme + "://" + net.JoinHostPort(host, port)
}

// checkListeners refuses addresses that others can reach unless what they send is encrypted. Whether there are credentials
// shows when the store is open, see checkReach.
func checkListeners(c *config.Config) (config.WebFile, error) {
	file, err := config.ReadWebFile(c.Web.ConfigFile)
	if err != nil {
		return file, err
	}
	if c.Web.ConfigFile != "" {
		if err := web.Validate(c.Web.ConfigFile); err != nil {
			return file, fmt.Errorf("web.config_file %s: %w", c.Web.ConfigFile, err)
		}
	}
	if err := checkOpen(c, c.Web.ListenAddresses); err != nil {
		return file, err
	}
	if err := checkBasicRoles(c, file); err != nil {
		return file, err
	}
	for _, addr := range c.Web.ListenAddresses {
		if isLoopback(addr) {
			continue
		}
		if !file.TLS && !c.Web.Insecure {
			return file, fmt.Errorf("web.listen_addresses: %s can be reached from outside and is not encrypted: set web.config_file to a file with tls_server_config, or web.insecure: true behind a proxy that encrypts", addr)
		}
	}
	return file, nil
}

// checkOpen refuses auth.mode: open where others than this machine's processes can reach a listener.
func checkOpen(c *config.Config, addresses []string) error {
	if c.Auth.Mode != string(api.ModeOpen) {
		return nil
	}
	for _, addr := range addresses {
		if !isLoopback(addr) {
			return fmt.Errorf("auth.mode: open makes every local process an administrator and needs listeners on loopback addresses only, but web.listen_addresses has %s: listen on 127.0.0.1, or set auth.mode to owner or credentials", addr)
		}
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// listen binds every address, all or none. A taken port is an error that names its owner.
func (d *daemonState) listen(ctx context.Context, c *config.Config) (_ []*listener, err error) {
	var all []*listener
	defer func() {
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
		}
	}()
	file, err := config.ReadWebFile(c.Web.ConfigFile)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if file.TLS {
		scheme = "https"
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // what the kernel says of a connection's owner is to be about one plain connection
	for _, addr := range c.Web.ListenAddresses {
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return all, fmt.Errorf("listen on %s: %w%s", addr, err, owner(ctx, addr, err))
		}
		all = append(all, &listener{Listener: l, scheme: scheme})
	}
	if c.Web.Socket == "" {
		return all, nil
	}
	l, err := listenUnix(ctx, c.Web.Socket)
	if err != nil {
		return all, fmt.Errorf("web.socket: %w", err)
	}
	return append(all, &listener{Listener: l, unix: true}), nil
}

// owner says who holds addr's port when err says that it is taken.
func owner(ctx context.Context, addr string, err error) string {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ""
	}
	host, p, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(p)
	o, err := exporter.ListenerOf(ctx, host, port)
	switch {
	case err != nil || o == nil:
		return "; its owner cannot be found"
	case o.PID == 0:
		return "; its owner is a process that this user may not look at"
	default:
		return fmt.Sprintf("; it is held by %s (pid %d)", o.Process, o.PID)
	}
}

// listenUnix binds a socket that only this user can use. A socket file that a killed daemon left behind is taken over: the
// store's lock, taken before, makes sure that no other daemon of this storage lives.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is not a socket", path)
		}
		if c, err := dialer.DialContext(ctx, "unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s is in use by another process", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	restore := privateUmask()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	restore()
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// serve answers on one listener until ctx ends. Each listener has a server of its own: exporter-toolkit writes to the server
// it is given, so a shared one would be a race (and would ask for the password twice).
func (d *daemonState) serve(ctx context.Context, l *listener, s *api.Server) error {
	srv := &http.Server{
		Handler:           s.Handler(),
		ConnContext:       s.ConnContext,
		ConnState:         s.ConnState,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute, // a restore uploads the whole state
		WriteTimeout:      5 * time.Minute, // a backup downloads it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.With("component", "http").Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	srv.RegisterOnShutdown(s.CloseStreams)
	done := make(chan error, 1)
	go func() {
		if l.unix { // exporter-toolkit knows no unix sockets; file permissions guard this one
			done <- srv.Serve(l)
			return
		}
		file := d.loaded.Load().Config.Web.ConfigFile
		done <- web.Serve(l, srv, &web.FlagConfig{WebConfigFile: &file}, d.log.With("component", "web"))
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		_ = srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		d.log.Warn("listener ended", "address", l.name(), "err", err)
	}
	return context.Cause(ctx)
}
