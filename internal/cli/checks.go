package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"controlcenter/exporter"
)

// checkResult is one row of check. A warning needs somebody's eye, a failure keeps serve from working.
type checkResult struct {
	Name   string      `json:"name"`
	Status checkStatus `json:"status"`
	Detail string      `json:"detail"`
	Holder *portHolder `json:"holder,omitempty"` // of a port check
}

type checkStatus string

const (
	checkOK   checkStatus = "ok"
	checkWarn checkStatus = "warn"
	checkFail checkStatus = "fail"
	checkInfo checkStatus = "info" // neither good nor bad
)

func verdict(name string, s checkStatus, format string, args ...any) checkResult {
	return checkResult{Name: name, Status: s, Detail: fmt.Sprintf(format, args...)}
}

// Space that the data directory needs: backups, logs and the index grow into it.
const (
	diskFailBytes = 64 << 20
	diskWarnBytes = 1 << 30
)

// checkPort tries to listen at an address. When it is taken it says by whom; our own daemon there is fine.
func checkPort(ctx context.Context, address string, daemonPID int) checkResult {
	name := "listen " + address
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return verdict(name, checkFail, "%v", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		l.Close()
		return verdict(name, checkOK, "free")
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		if oe, ok := errors.AsType[*net.OpError](err); ok {
			err = oe.Err
		}
		return verdict(name, checkFail, "cannot listen: %v", err)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		if port, err = net.DefaultResolver.LookupPort(ctx, "tcp", service); err != nil {
			return verdict(name, checkFail, "in use; port %q: %v", service, err)
		}
	}
	h, err := exporter.ListenerOf(ctx, host, port)
	if err != nil || h == nil {
		return verdict(name, checkFail, "in use by a process that cannot be seen from here")
	}
	who := portHolder{h.PID, h.Process, net.JoinHostPort(h.Address, strconv.Itoa(h.Port))}
	r := verdict(name, checkFail, "in use by %s", who)
	if h.PID != 0 && h.PID == daemonPID {
		r = verdict(name, checkOK, "served by the running controlcenter (pid %d)", h.PID)
	}
	r.Holder = &who
	return r
}

// checkStorage proves that the data directory can be made and written, by writing a file into it.
func checkStorage(dir string) []checkResult {
	const name = "data directory"
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		parent := existingParent(dir)
		if err := tryWrite(parent); err != nil {
			return []checkResult{verdict(name, checkFail, "%s does not exist and cannot be made: %v", dir, err)}
		}
		return []checkResult{verdict(name, checkOK, "%s will be made at the first start", dir), checkDisk(parent)}
	}
	if err != nil {
		return []checkResult{verdict(name, checkFail, "%v", err)}
	}
	if !info.IsDir() {
		return []checkResult{verdict(name, checkFail, "%s is not a directory", dir)}
	}
	if err := tryWrite(dir); err != nil {
		return []checkResult{verdict(name, checkFail, "%s cannot be written: %v", dir, err)}
	}
	return []checkResult{verdict(name, checkOK, "%s is writable", dir), checkPermissions(dir, info), checkDisk(dir)}
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".controlcenter-check-*")
	if err != nil {
		return bare(err)
	}
	_, err = f.WriteString("x")
	return errors.Join(bare(err), bare(f.Close()), bare(os.Remove(f.Name())))
}

// bare drops the path that a file error carries and that the message already names.
func bare(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// existingParent is the nearest directory above path that exists.
func existingParent(path string) string {
	for {
		up := filepath.Dir(path)
		if _, err := os.Stat(up); err == nil || up == path {
			return up
		}
		path = up
	}
}

func checkDisk(dir string) checkResult {
	const name = "disk space"
	u, err := disk.Usage(dir)
	if err != nil {
		return verdict(name, checkWarn, "%s: %v", dir, err)
	}
	s := checkOK
	switch {
	case u.Free < diskFailBytes:
		s = checkFail
	case u.Free < diskWarnBytes:
		s = checkWarn
	}
	return verdict(name, s, "%s free of %s at %s", bytesText(float64(u.Free)), bytesText(float64(u.Total)), dir)
}

// checkGPU says which GPU tool there is; having none is normal.
func checkGPU(getenv map[string]string) checkResult {
	const name = "gpu"
	if path, err := lookPath("nvidia-smi", getenv["PATH"]); err == nil {
		return verdict(name, checkInfo, "nvidia-smi at %s", path)
	}
	if cards, _ := filepath.Glob("/sys/class/drm/card[0-9]*/device/gpu_busy_percent"); len(cards) > 0 {
		return verdict(name, checkInfo, "%d AMD GPU(s) by sysfs", len(cards))
	}
	return verdict(name, checkInfo, "no nvidia-smi and no AMD GPU: no GPU metrics")
}

// lookPath is exec.LookPath over the PATH we were given instead of the process's own.
func lookPath(tool, path string) (string, error) {
	if runtime.GOOS == "windows" {
		return exec.LookPath(tool)
	}
	for _, dir := range filepath.SplitList(path) {
		p := filepath.Join(dir, tool)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", exec.ErrNotFound
}

// checkClock compares the two clocks since a moment taken earlier, and asks the kernel whether the wall clock is kept in
// step with the world's. TLS, tokens and schedules need a wall clock that is right.
func checkClock(since time.Time) checkResult {
	const name = "clock"
	now := time.Now()
	drift := now.Round(0).Sub(since.Round(0)) - now.Sub(since)
	switch {
	case now.Year() < 2025:
		return verdict(name, checkFail, "the wall clock says %s", now.UTC().Format(time.RFC3339))
	case drift.Abs() > 200*time.Millisecond:
		return verdict(name, checkWarn, "the wall clock jumped by %s during the check", drift.Round(time.Millisecond))
	}
	return verdict(name, checkInfo, "%s, %s", now.UTC().Format(time.RFC3339), clockSync())
}

// worst is fail, warn or ok over all rows.
func worst(rs []checkResult) checkStatus {
	w := checkOK
	for _, r := range rs {
		if r.Status == checkFail || r.Status == checkWarn && w == checkOK {
			w = r.Status
		}
	}
	return w
}

func countStatus(rs []checkResult, s checkStatus) (n int) {
	for _, r := range rs {
		if r.Status == s {
			n++
		}
	}
	return n
}

// firstLine and rest split a message, as those of the configuration have an excerpt below the first line.
func firstLine(s string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return first, rest
}
