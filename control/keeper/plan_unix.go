//go:build unix

package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"controlcenter/control"
)

// plan is what has to be done in the new process before it becomes the program. When there is anything, our own binary is
// started in between ("controlcenter keep -exec"), because limits, umask and privileges belong to the process that execs.
type plan struct {
	Path   string `json:"path"`
	Umask  *int   `json:"umask,omitempty"`
	Nice   int    `json:"nice,omitempty"`
	OOM    int    `json:"oom,omitempty"`
	NoNew  bool   `json:"no_new,omitempty"`
	Nofile uint64 `json:"nofile,omitempty"`
	Core   uint64 `json:"core,omitempty"`
	File   uint64 `json:"file,omitempty"`
	UID    *int   `json:"uid,omitempty"`
	GID    *int   `json:"gid,omitempty"`
	Groups []int  `json:"groups,omitempty"`
}

func (p *plan) needed() bool {
	return p.Umask != nil || p.Nice != 0 || p.OOM != 0 || p.NoNew || p.Nofile+p.Core+p.File > 0 || p.UID != nil || p.GID != nil
}

// planOf resolves the program, the user and the rest of a definition.
func planOf(l *control.LaunchSpec) (*plan, error) {
	p := &plan{Nice: l.Nice, OOM: l.OOM, NoNew: l.NoNew, Nofile: uint64(max(l.Limits.Nofile, 0)), Core: uint64(max(l.Limits.Core, 0)), File: uint64(max(l.Limits.FileSize, 0))} //nolint:gosec // not below 0
	if l.Dir != "" {
		if st, err := os.Stat(l.Dir); err != nil {
			return nil, fmt.Errorf("cwd: %w", err)
		} else if !st.IsDir() {
			return nil, fmt.Errorf("cwd: %s is not a folder", l.Dir)
		}
	}
	var err error
	if p.Path, err = lookPath(l); err != nil {
		return nil, err
	}
	if l.Umask != "" {
		n, err := strconv.ParseUint(l.Umask, 8, 12)
		if err != nil {
			return nil, fmt.Errorf("umask: %q is no octal number of 0 to 777", l.Umask)
		}
		mask := int(n) //nolint:gosec // 12 bits
		p.Umask = &mask
	}
	return p, p.identity(l)
}

// identity looks up user and group by name or number.
func (p *plan) identity(l *control.LaunchSpec) error {
	if l.User == "" && l.Group == "" {
		return nil
	}
	if l.User != "" {
		u, err := user.Lookup(l.User)
		if err != nil {
			if u, err = user.LookupId(l.User); err != nil {
				return fmt.Errorf("user: there is no user %s", l.User)
			}
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr != nil || gerr != nil {
			return fmt.Errorf("user: %s has no numeric ids", l.User)
		}
		p.UID, p.GID = &uid, &gid
		ids, err := u.GroupIds()
		if err != nil {
			return fmt.Errorf("user: groups of %s: %w", l.User, err)
		}
		for _, id := range ids {
			if n, err := strconv.Atoi(id); err == nil {
				p.Groups = append(p.Groups, n)
			}
		}
	}
	if l.Group != "" {
		g, err := user.LookupGroup(l.Group)
		if err != nil {
			if g, err = user.LookupGroupId(l.Group); err != nil {
				return fmt.Errorf("group: there is no group %s", l.Group)
			}
		}
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return fmt.Errorf("group: %s has no numeric id", l.Group)
		}
		p.GID = &gid
	}
	if os.Geteuid() != 0 {
		if (p.UID == nil || *p.UID == os.Geteuid()) && (p.GID == nil || *p.GID == os.Getegid()) {
			p.UID, p.GID, p.Groups = nil, nil, nil // we are that already
			return nil
		}
		return errors.New("user, group: only root may start services as somebody else")
	}
	return nil
}

// lookPath finds the program the way a shell in the service's environment and folder would.
func lookPath(l *control.LaunchSpec) (string, error) {
	name := l.Argv[0]
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.Dir, path)
		}
		if err := runnable(path); err != nil {
			return "", fmt.Errorf("command: %w", err)
		}
		return path, nil
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, v := range l.Env {
		if rest, ok := strings.CutPrefix(v, "PATH="); ok {
			search = rest
		}
	}
	var denied error
	for _, dir := range filepath.SplitList(search) {
		path := filepath.Join(dir, name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(l.Dir, path)
		}
		err := runnable(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, os.ErrNotExist) && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", fmt.Errorf("command: %w", denied)
	}
	return "", fmt.Errorf("command: %s is not found in PATH (%s)", name, search)
}

func runnable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			return fmt.Errorf("%s: %w", path, pe.Err)
		}
		return fmt.Errorf("look for program: %w", err)
	}
	switch {
	case st.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case st.Mode()&0o111 == 0:
		return fmt.Errorf("%s: %w (it is not executable)", path, os.ErrPermission)
	}
	return nil
}

// command returns how our own binary is started to carry the plan out.
func (p *plan) command(argv []string) (string, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find own binary: %w", err)
	}
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		self = "/proc/self/exe" // also when the file was replaced
	}
	b, err := json.Marshal(p)
	if err != nil {
		return "", nil, fmt.Errorf("encode plan: %w", err)
	}
	return self, append([]string{"controlcenter", "keep", "-exec", string(b), "--"}, argv...), nil
}

// execPlan carries a plan out and becomes the program; it returns only to say what went wrong.
func execPlan(text string, argv []string) error {
	runtime.LockOSThread() // nice and privileges are the thread's that execs
	syscall.CloseOnExec(3)
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("decode plan: %w", err)
	}
	for _, l := range []struct {
		name  string
		kind  int
		value uint64
	}{{"nofile", unix.RLIMIT_NOFILE, p.Nofile}, {"core", unix.RLIMIT_CORE, p.Core}, {"file_size", unix.RLIMIT_FSIZE, p.File}} {
		if l.value == 0 {
			continue
		}
		if err := syscall.Setrlimit(l.kind, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limits.%s: %w", l.name, err)
		}
	}
	if p.Nice != 0 {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, p.Nice); err != nil {
			return fmt.Errorf("nice: %w", err)
		}
	}
	if p.OOM != 0 {
		if err := adjustOOMScore(p.OOM); err != nil {
			return fmt.Errorf("oom_score_adjust: %w", err)
		}
	}
	if p.Umask != nil {
		syscall.Umask(*p.Umask)
	}
	if p.UID != nil {
		if err := syscall.Setgroups(p.Groups); err != nil {
			return fmt.Errorf("user: set groups: %w", err)
		}
	}
	if p.GID != nil {
		if err := syscall.Setgid(*p.GID); err != nil {
			return fmt.Errorf("group: %w", err)
		}
	}
	if p.UID != nil {
		if err := syscall.Setuid(*p.UID); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	if p.NoNew {
		if err := noNewPrivileges(); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	if err := syscall.Exec(p.Path, argv, os.Environ()); err != nil {
		return fmt.Errorf("command: %s: %w", p.Path, err)
	}
	return nil
}

// execError turns what execPlan said into an error.
func execError(text string) error { return errors.New(strings.TrimSpace(text)) }

// explain says what a failed start failed with.
func explain(path string, err error) error {
	if errors.Is(err, syscall.ENOENT) {
		// The program was there a moment ago: its interpreter is missing, or the folder has gone.
		return fmt.Errorf("command: %s cannot be run, or its interpreter is missing: %w", path, err)
	}
	if errors.Is(err, syscall.ENOEXEC) {
		return fmt.Errorf("command: %s is no program of this system, and has no #! line: %w", path, err)
	}
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("no more processes can be started here, a limit is reached: %w", err)
	}
	return fmt.Errorf("command: %s: %w", path, err)
}

// isTemporary says whether a start may work a little later.
func isTemporary(err error) bool {
	for _, e := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EDQUOT, syscall.ETXTBSY, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// markEnv adds the mark of a run to an environment.
func markEnv(env []string, id string) []string {
	out := make([]string, 0, len(env)+1)
	for _, v := range env {
		if !strings.HasPrefix(v, runMark+"=") {
			out = append(out, v)
		}
	}
	return append(out, runMark+"="+id)
}
