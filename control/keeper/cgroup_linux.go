package keeper

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"controlcenter/control"
)

// groupBase makes the control group under which each run gets its own, and returns its folder: below the keeper's own group,
// wherever cgroup v2 is mounted. "" = there is none, or it is not ours to write.
func groupBase(dir string) string {
	mount := cgroup2Mount()
	own, err := os.ReadFile("/proc/self/cgroup")
	if mount == "" || err != nil {
		return ""
	}
	path := ""
	for line := range strings.Lines(string(own)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = rest
		}
	}
	sum := sha256.Sum256([]byte(dir))
	name := "controlcenter-" + hex.EncodeToString(sum[:4])
	base := filepath.Join(mount, path, name)
	if i := strings.Index(path, "/"+name); i >= 0 { // a keeper started by a service of ours
		base = filepath.Join(mount, path[:i], name)
	}
	if err := os.Mkdir(base, 0o755); err != nil && !errors.Is(err, os.ErrExist) { // #nosec G301 -- as below
		return ""
	}
	if unix.Access(filepath.Join(base, "cgroup.procs"), unix.W_OK) != nil {
		return ""
	}
	// Limits need their controllers switched on from above; where that is refused a limit is refused with its reason later.
	for _, d := range []string{filepath.Dir(base), base} {
		passOn(d, "memory", "pids", "cpu")
	}
	sweepGroups(base)
	return base
}

// passOn switches controllers on for the groups below one. Only those it has are asked for: the kernel takes 10 ms to refuse one.
func passOn(group string, controllers ...string) {
	has, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, c := range strings.Fields(string(has)) {
		if slices.Contains(controllers, c) {
			_ = writeExisting(filepath.Join(group, "cgroup.subtree_control"), "+"+c)
		}
	}
}

// sweepGroups removes the groups of runs that are over; one that has members cannot be removed.
func sweepGroups(base string) {
	all, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range all {
		if e.IsDir() {
			_ = unix.Rmdir(filepath.Join(base, e.Name()))
		}
	}
}

// cgroup2Mount finds where cgroup v2 is mounted.
func cgroup2Mount() string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		front, back, ok := strings.Cut(lines.Text(), " - ")
		if ok && strings.HasPrefix(back, "cgroup2 ") {
			if fields := strings.Fields(front); len(fields) > 4 {
				return unescapeMount(fields[4])
			}
		}
	}
	return ""
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	for i := 0; i+3 < len(s); i++ {
		if s[i] == '\\' {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				s = s[:i] + string(rune(n)) + s[i+4:]
			}
		}
	}
	return s
}

// makeGroup makes the control group of a run and says which of its limits cannot be kept. nil = there is none.
func (k *keeper) makeGroup(r *run) (*os.File, []string) {
	limits := r.spec.Limits
	base := k.groups()
	if base == "" {
		return nil, unkept(limits, "no writable cgroup v2")
	}
	dir := filepath.Join(base, r.service+"."+r.id)
	if err := os.Mkdir(dir, 0o755); err != nil { // #nosec G301 -- a cgroup has no secrets, and tools of other users read it
		return nil, unkept(limits, "make cgroup: "+err.Error())
	}
	f, err := os.Open(dir)
	if err != nil {
		_ = unix.Rmdir(dir)
		return nil, unkept(limits, "open cgroup: "+err.Error())
	}
	r.group = dir
	var warnings []string
	set := func(limit, file, value string) {
		if err := writeExisting(filepath.Join(dir, file), value); err != nil {
			warnings = append(warnings, fmt.Sprintf("limits.%s is not in force: %s", limit, cause(err)))
		}
	}
	if limits.Memory > 0 {
		set("memory", "memory.max", strconv.FormatInt(int64(limits.Memory), 10))
		if len(warnings) == 0 {
			_ = os.WriteFile(filepath.Join(dir, "memory.oom.group"), []byte("1"), 0)
		}
	}
	if limits.Pids > 0 {
		set("pids", "pids.max", strconv.Itoa(limits.Pids))
	}
	if limits.CPU > 0 {
		set("cpu", "cpu.max", fmt.Sprintf("%d 100000", int64(limits.CPU*100_000)))
	}
	return f, warnings
}

// writeExisting writes to a file that is there: the attempt to create one is "permission denied" in a cgroup.
func writeExisting(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func cause(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "its cgroup controller is not available here"
	}
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func unkept(l control.Limits, why string) []string {
	var out []string
	for _, x := range []struct {
		name string
		set  bool
	}{{"memory", l.Memory > 0}, {"cpu", l.CPU > 0}, {"pids", l.Pids > 0}} {
		if x.set {
			out = append(out, "limits."+x.name+" is not in force: "+why)
		}
	}
	return out
}

func (k *keeper) groups() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.group == nil {
		base := groupBase(k.dir)
		k.group = &base
	}
	return *k.group
}

// removeGroup removes the control group of a run that is over.
func (k *keeper) removeGroup(r *run) {
	if r.group == "" {
		return
	}
	for range 20 {
		if err := unix.Rmdir(r.group); !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(5 * time.Millisecond) // a zombie that is reaped in this moment
	}
}

// Group lists the processes in the control group that a keeper made for the run of a process; nil = it is in none of those.
func Group(pid int) []int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || !strings.Contains(path, "/controlcenter-") {
			continue
		}
		procs, err := os.ReadFile(filepath.Join(mount2(), path, "cgroup.procs"))
		if err != nil {
			return nil
		}
		pids := []int{}
		for f := range strings.FieldsSeq(string(procs)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
		return pids
	}
	return nil
}

// mount2 is where cgroup v2 was mounted when it was first asked for.
var mount2 = sync.OnceValue(cgroup2Mount)
