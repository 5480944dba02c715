package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"controlcenter/internal/private"
)

// check is what "keep -check" prints: a keeper asks it of a binary before it becomes that.
type check struct {
	Protocol int    `json:"protocol"`
	Handover int    `json:"handover"`
	Build    string `json:"build"`
}

// Main is the process "controlcenter keep" with the arguments after that word, and returns its exit code. build names the
// binary. It is no verb for people: the daemon starts it.
func Main(args []string, build string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("keep", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "folder of the socket, the lock and the journal")
	logDir := flags.String("logs", "", "folder of what services write")
	groups := flags.Bool("groups", true, "use control groups where they can be had")
	resume := flags.Int("resume", 0, "descriptor of what the last binary handed over")
	plan := flags.String("exec", "", "what to do before becoming the command that follows")
	ask := flags.Bool("check", false, "say what this binary can go on from")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	shutDoors()
	switch {
	case *plan != "":
		err := execPlan(*plan, flags.Args())
		tell := os.NewFile(3, "tell")
		_, _ = fmt.Fprintln(tell, err)
		return 127
	case *ask:
		if err := json.NewEncoder(stdout).Encode(check{protocol, handoverVersion, build}); err != nil {
			return 1
		}
		return 0
	case *dir == "" || *logDir == "":
		_, _ = fmt.Fprintln(stderr, "keep: -dir and -logs are needed; the daemon starts this process by itself")
		return 2
	}
	// A keeper ends when nothing needs it, never because a terminal or a service manager would like it to. These are taken and
	// not read: what is ignored would be ignored by every service too, and a shell cannot even trap it.
	signal.Notify(make(chan os.Signal, 1), append(slices.Clone(unheeded), os.Interrupt)...)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(stderr, nil))
	go func() {
		for range term {
			log.Info("SIGTERM is not for the keeper: services run until they are stopped")
		}
	}()
	err := serve(context.Background(), Config{Dir: *dir, LogDir: *logDir, Build: build, Log: log, Resume: *resume, NoGroups: !*groups})
	if errors.Is(err, errLocked) {
		return 0
	}
	if err != nil {
		log.Error("keeper", "err", err)
		return 1
	}
	return 0
}

// keeperLog is where a keeper says what went wrong, at most that large.
func keeperLog(dir string) (*os.File, error) {
	path := filepath.Join(dir, "keeper.log")
	mode := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if st, err := os.Stat(path); err == nil && st.Size() > 1<<20 {
		mode |= os.O_TRUNC
	}
	f, err := private.Open(path, mode)
	if err != nil {
		return nil, fmt.Errorf("open keeper's log: %w", err)
	}
	return f, nil
}
