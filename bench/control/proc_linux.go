package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// exists says whether a process has that number, a zombie too.
func exists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// living says whether a process lives.
func living(pid int) bool {
	state, _ := stat(pid)
	return state != 0 && state != 'Z' && state != 'X'
}

// stat returns state and parent of a process; 0 when there is none.
func stat(pid int) (state byte, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 2 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(string(f[1]))
	return f[0][0], parent
}

func pids() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }()
	names, _ := d.Readdirnames(-1)
	var all []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// family returns roots and their descendants, without those that run the program except.
func family(except string, roots ...int) []int {
	children := map[int][]int{}
	for _, pid := range pids() {
		_, parent := stat(pid)
		children[parent] = append(children[parent], pid)
	}
	var all []int
	for next := roots; len(next) > 0; next = next[1:] {
		pid := next[0]
		next = append(next[:1:1], append(children[pid], next[1:]...)...)
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe != except {
			all = append(all, pid)
		}
	}
	return all
}

// below returns the processes whose command line or working directory lies in a folder that is ours.
func below(dir string) []int {
	var all []int
	for _, pid := range pids() {
		if pid == os.Getpid() {
			continue
		}
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if cwd == dir || strings.HasPrefix(cwd, dir+"/") || bytes.Contains(args, []byte(dir+"/")) {
			all = append(all, pid)
		}
	}
	return all
}

// sweep kills everything that was started in a folder, until nothing of it is left: supervisors of single services start
// their services again while they live.
func sweep(dir string) {
	for range 50 {
		all := below(dir)
		if len(all) == 0 {
			return
		}
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cpu is the time that processes have been on a CPU so far, by schedstat of their threads.
func cpu(pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				continue // that thread has ended
			}
			first, _, _ := bytes.Cut(b, []byte(" "))
			ns, _ := strconv.ParseInt(string(first), 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// memory is what processes hold, in bytes.
type memory struct{ pss, anonymous uint64 }

func memoryOf(pids ...int) (m memory) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kb, _ := strconv.ParseUint(f[1], 10, 64)
			switch f[0] {
			case "Pss:":
				m.pss += kb << 10
			case "Anonymous:":
				m.anonymous += kb << 10
			}
		}
	}
	return m
}

// machineTime is what the machine's CPUs have done so far, in ticks: by others of its host too (steal).
func machineTime() (busy, stolen, all float64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:] {
		v, _ := strconv.ParseFloat(f, 64)
		if i >= 8 { // guests are in user time already
			break
		}
		all += v
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			stolen += v
		default:
			busy += v
		}
	}
	return busy, stolen, all
}
