package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	ossvc "github.com/kardianos/service"
	"github.com/spf13/cobra"
)

// osServiceAnswer is what the verbs of "service" tell.
type osServiceAnswer struct {
	Name    string `json:"name"`
	Manager string `json:"manager"` // linux-systemd, darwin-launchd, windows-service
	Scope   string `json:"scope"`   // system, user
	Status  string `json:"status"`  // installed, removed, running, stopped, failed, not installed
}

// osServiceFlags choose the entry of the operating system's service manager.
type osServiceFlags struct {
	name, runAs  string
	user, system bool
	start        bool
}

func (e *env) osServiceCmd() *cobra.Command {
	return group("service", "Install the daemon as a service of the operating system", `  controlcenter service install --start
  sudo controlcenter service install --run-as alice --start
  controlcenter service status
  controlcenter service uninstall`,
		e.osServiceInstallCmd(), e.osServiceUninstallCmd(), e.osServiceStatusCmd())
}

func (f *osServiceFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "controlcenter", "name of the service")
	cmd.Flags().BoolVar(&f.user, "user", false, "of the user, not of the machine; the default unless you are root (Linux, macOS)")
	cmd.Flags().BoolVar(&f.system, "system", false, "of the machine; the default for root and on Windows")
	cmd.MarkFlagsMutuallyExclusive("user", "system")
}

func (e *env) osServiceInstallCmd() *cobra.Command {
	var f osServiceFlags
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Have systemd, launchd or Windows start the daemon, now and with the machine",
		Long: `Have the service manager of this machine (systemd, launchd, Windows services) start
"controlcenter serve" with the machine or at login, and again when it dies. --config.file
and --storage.path are passed on.

Stopping or restarting it touches no service that it runs; "controlcenter down" stops
those. A user's service under systemd ends with the last session unless lingering is on:
loginctl enable-linger.`,
		Example: `  controlcenter service install --start
  controlcenter service install --config.file ~/.config/controlcenter/controlcenter.yaml
  sudo controlcenter service install --run-as alice --config.file /etc/controlcenter/controlcenter.yaml`,
		Args: maxArgs(0),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.runAs, "run-as", "", "user that a service of the machine runs as; needed there (Linux, macOS)")
	cmd.Flags().BoolVar(&f.start, "start", false, "start it at once")
	cmd.RunE = e.run(func(*call) error {
		s, answer, err := e.osService(&f, true)
		if err != nil {
			return err
		}
		if err := s.Install(); err != nil {
			return fmt.Errorf("install the service %s: %w", f.name, err)
		}
		answer.Status = "installed"
		if f.start {
			if err := s.Start(); err != nil {
				return fmt.Errorf("it is installed; start the service %s: %w", f.name, err)
			}
			answer.Status = "running"
		}
		return e.print(answer, func() error {
			hint := ""
			if !f.start {
				hint = "Start it: " + startHint(answer) + "\n"
			}
			_, err := fmt.Fprintf(e.o.Stdout, "%s is %s (%s, %s).\n%s", answer.Name, answer.Status, answer.Manager, answer.Scope, hint)
			return err
		})
	})
	return cmd
}

func startHint(a osServiceAnswer) string {
	switch {
	case a.Manager == managerWindows:
		return "sc start " + a.Name
	case a.Manager == managerLaunchd && a.Scope == "user":
		return "launchctl load ~/Library/LaunchAgents/" + a.Name + ".plist"
	case a.Manager == managerLaunchd:
		return "sudo launchctl load /Library/LaunchDaemons/" + a.Name + ".plist"
	case a.Scope == "user":
		return "systemctl --user start " + a.Name + "    (also without a session: loginctl enable-linger)"
	}
	return "sudo systemctl start " + a.Name
}

func (e *env) osServiceUninstallCmd() *cobra.Command {
	var f osServiceFlags
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop the daemon and have it started no more",
		Long: `Stop the daemon and take it out of the service manager. Its state and its configuration
stay, and so do services that run: "controlcenter down" before this stops them.`,
		Example: "  controlcenter service uninstall",
		Args:    maxArgs(0),
	}
	f.add(cmd)
	cmd.RunE = e.run(func(*call) error {
		s, answer, err := e.osService(&f, false)
		if err != nil {
			return err
		}
		status, err := s.Status()
		if errors.Is(err, ossvc.ErrNotInstalled) {
			return exitf(ExitNotFound, "the service %s is not installed (%s, %s)", f.name, answer.Manager, answer.Scope)
		}
		if status == ossvc.StatusRunning {
			if err := s.Stop(); err != nil {
				return fmt.Errorf("stop the service %s: %w", f.name, err)
			}
		}
		if err := s.Uninstall(); err != nil {
			return fmt.Errorf("uninstall the service %s: %w", f.name, err)
		}
		answer.Status = "removed"
		return e.print(answer, func() error {
			_, err := fmt.Fprintf(e.o.Stdout, "%s is removed (%s, %s). Its state stays.\n", answer.Name, answer.Manager, answer.Scope)
			return err
		})
	})
	return cmd
}

func (e *env) osServiceStatusCmd() *cobra.Command {
	var f osServiceFlags
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show what the service manager says of the daemon",
		Long:    "Show what the service manager says of the daemon. Exit code 1 when it is installed and does\nnot run, 3 when it is not installed.",
		Example: "  controlcenter service status",
		Args:    maxArgs(0),
	}
	f.add(cmd)
	cmd.RunE = e.run(func(*call) error {
		s, answer, err := e.osService(&f, false)
		if err != nil {
			return err
		}
		status, err := s.Status()
		var end error
		switch {
		case errors.Is(err, ossvc.ErrNotInstalled):
			answer.Status, end = "not installed", exitf(ExitNotFound, "the service %s is not installed (%s, %s)", f.name, answer.Manager, answer.Scope)
		case err != nil:
			answer.Status, end = "failed", fmt.Errorf("the service %s: %w", f.name, err)
		case status == ossvc.StatusRunning:
			answer.Status = "running"
		default:
			answer.Status, end = "stopped", fmt.Errorf("the service %s is stopped", f.name)
		}
		if err := e.print(answer, func() error {
			_, err := fmt.Fprintf(e.o.Stdout, "%s: %s (%s, %s)\n", answer.Name, answer.Status, answer.Manager, answer.Scope)
			return err
		}); err != nil {
			return err
		}
		return end
	})
	return cmd
}

// The service managers that we have tried the texts for. On others (OpenRC, runit, ...) what the library writes would kill services
// together with the daemon.
const (
	managerSystemd = "linux-systemd"
	managerLaunchd = "darwin-launchd"
	managerWindows = "windows-service"
)

// osService is the entry of the service manager that the flags choose.
func (e *env) osService(f *osServiceFlags, install bool) (ossvc.Service, osServiceAnswer, error) {
	a := osServiceAnswer{Name: f.name, Manager: ossvc.Platform(), Scope: "system"}
	switch a.Manager {
	case managerSystemd, managerLaunchd, managerWindows:
	case "":
		return nil, a, errors.New("no service manager was found here; accepted are systemd, launchd and Windows services")
	default:
		return nil, a, fmt.Errorf("the service manager here is %s; accepted are systemd, launchd and Windows services", a.Manager)
	}
	root := os.Geteuid() == 0 // -1 on Windows
	user := a.Manager != managerWindows && (f.user || !root && !f.system)
	switch {
	case f.user && a.Manager == managerWindows:
		return nil, a, usagef("--user: Windows has services of the machine only")
	case user:
		a.Scope = "user"
		if f.runAs != "" {
			return nil, a, usagef("--run-as: a service of a user runs as that user")
		}
	case a.Manager != managerWindows && !root:
		return nil, a, exitf(ExitRefused, "a service of the machine needs root: sudo controlcenter service ...")
	case install && f.runAs == "" && a.Manager != managerWindows:
		return nil, a, usagef("--run-as: name the user that it is to run as. Services it starts run as that user too, and only root may " +
			"choose other ones for them; root also sees who owns each port and process")
	}
	args := []string{"serve"}
	for _, flag := range []struct{ name, value string }{{"config.file", e.configFile}, {"storage.path", e.storagePath}} {
		if flag.value == "" {
			continue
		}
		path, err := filepath.Abs(flag.value)
		if err != nil {
			return nil, a, fmt.Errorf("--%s: %w", flag.name, err)
		}
		args = append(args, "--"+flag.name+"="+path)
	}
	if a.Scope == "system" && a.Manager == managerSystemd && e.storagePath == "" {
		args = append(args, "--storage.path=/var/lib/"+f.name) // StateDirectory of the unit
	}
	s, err := ossvc.New(nil, &ossvc.Config{
		Name: f.name, DisplayName: "Control Center", Description: "Control Center: metrics, services and knowledge base of this machine",
		UserName: f.runAs, Arguments: args,
		Option: ossvc.KeyValue{
			"UserService": user, "SystemdScript": systemdUnit(user), "LaunchdConfig": launchdPlist, "KeepAlive": true, "RunAtLoad": true,
			"LogOutput": true, "OnFailure": "restart", "OnFailureDelayDuration": "1s",
		},
	})
	if err != nil {
		return nil, a, fmt.Errorf("ask %s: %w", a.Manager, err)
	}
	return s, a, nil
}
