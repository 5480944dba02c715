package keeper

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// startTicks returns the start time of a process in clock ticks since boot; 0 = there is none, or it has ended and waits to
// be reaped.
func startTicks(pid int) uint64 {
	state, _, ticks := procStat(pid)
	if state == 'Z' || state == 'X' {
		return 0
	}
	return ticks
}

// procStat reads state, parent and start time of a process from /proc/PID/stat; 0 = there is none.
func procStat(pid int) (state byte, parent int, ticks uint64) {
	state, parent, ticks, _ = readStat(pid)
	return state, parent, ticks
}

// readStat is procStat with the error of not having been able to look. The name in the file may hold blanks and parentheses.
func readStat(pid int) (state byte, parent int, ticks uint64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		if !noneLeft(err) {
			err = nil
		}
		return 0, 0, 0, err //nolint:wrapcheck // the callers say what was being done
	}
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, 0, nil
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 {
		return 0, 0, 0, nil
	}
	parent, _ = strconv.Atoi(string(f[1]))
	ticks, _ = strconv.ParseUint(string(f[19]), 10, 64)
	return f[0][0], parent, ticks, nil
}

// processes lists the numbers of all processes.
func processes() []int {
	all, _ := listProcesses()
	return all
}

func listProcesses() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// marked says whether a process carries the mark of a run.
func marked(pid int, id string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	want := []byte(runMark + "=" + id)
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if bytes.Equal(v, want) {
			return true
		}
	}
	return false
}

// findMarked finds the main process of a run by its mark: the oldest that carries it.
func findMarked(id string) (int, uint64) {
	best, bestTicks := 0, uint64(0)
	for _, pid := range processes() {
		if marked(pid, id) {
			if ticks := startTicks(pid); ticks != 0 && (best == 0 || ticks < bestTicks || ticks == bestTicks && pid < best) {
				best, bestTicks = pid, ticks
			}
		}
	}
	return best, bestTicks
}

// members lists the processes of a run that live: those of its control group, or those found by session, descent and mark.
func (k *keeper) members(r *run) []int {
	var found []int
	if err := k.spare.lend(func() (err error) { found, err = k.look(r); return err }); err != nil {
		k.log.Error("look for processes", "run", r.id, "err", err)
		return []int{unseen}
	}
	return found
}

func (k *keeper) look(r *run) ([]int, error) {
	if r.group != "" {
		b, err := os.ReadFile(filepath.Join(r.group, "cgroup.procs"))
		if noneLeft(err) {
			return nil, fmt.Errorf("read control group: %w", err)
		}
		if err == nil {
			var pids []int
			for f := range bytes.FieldsSeq(b) {
				pid, err := strconv.Atoi(string(f))
				if err != nil || pid <= 0 {
					continue
				}
				state, _, _, err := readStat(pid)
				if err != nil {
					return nil, err
				}
				if state != 0 && state != 'Z' && state != 'X' {
					pids = append(pids, pid)
				}
			}
			return pids, nil
		}
	}
	if r.pid == 0 {
		return nil, nil
	}
	all, err := listProcesses()
	if err != nil {
		return nil, err
	}
	main := startTicks(r.pid) == r.ticks
	parents := map[int]int{}
	var found []int
	for _, pid := range all {
		state, parent, _, err := readStat(pid)
		if err != nil {
			return nil, err
		}
		if state == 0 || state == 'Z' || state == 'X' || pid == os.Getpid() {
			continue
		}
		parents[pid] = parent
		if main && (pid == r.pid || parent == r.pid) || marked(pid, r.id) {
			found = append(found, pid)
		}
	}
	for grown := true; grown; { // and what descends from those
		grown = false
		for pid, parent := range parents {
			if slices.Contains(found, parent) && !slices.Contains(found, pid) {
				found, grown = append(found, pid), true
			}
		}
	}
	return found, nil
}

// signalMember signals a process of a run's tree, unless its number was given to another meanwhile.
func (k *keeper) signalMember(r *run, pid int, name string) {
	_ = k.spare.lend(func() error { // one that has gone meanwhile is no error
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return fmt.Errorf("signal member: %w", err)
		}
		defer unix.Close(fd)
		list, err := k.lookFor(r, pid)
		if slices.Contains(list, pid) {
			_ = unix.PidfdSendSignal(fd, unix.SignalNum(name), nil, 0)
		}
		return err
	})
}

// lookFor is look for one process: with a control group the list is cheap, else only this process is looked at.
func (k *keeper) lookFor(r *run, pid int) ([]int, error) {
	if r.group != "" {
		return k.look(r)
	}
	_, parent, born, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	ours := pid == r.pid && born == r.ticks || marked(pid, r.id) || parent > 1 && (parent == r.pid && startTicks(r.pid) == r.ticks || marked(parent, r.id))
	if !ours {
		return nil, nil
	}
	return []int{pid}, nil
}

// killTree kills everything that belongs to a run until nothing is left or ctx ends, and says how many are left.
func (k *keeper) killTree(ctx context.Context, r *run) int {
	for {
		whole := false
		if r.group != "" {
			whole = k.spare.lend(func() error { return os.WriteFile(filepath.Join(r.group, "cgroup.kill"), []byte("1"), 0) }) == nil
		}
		all := k.members(r)
		if len(all) == 0 {
			return 0
		}
		if !whole {
			k.killSession(r)
			for _, pid := range all {
				k.signalMember(r, pid, "SIGKILL")
			}
		}
		select {
		case <-ctx.Done():
			return len(k.members(r))
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// killSession kills the process group of a run whose main process is our child and not reaped, so that the number is its own.
func (k *keeper) killSession(r *run) {
	k.mu.Lock() // who reaps holds it too
	defer k.mu.Unlock()
	if !r.foster && r.exit == nil && r.pid > 1 {
		_ = unix.Kill(-r.pid, unix.SIGKILL)
	}
}
