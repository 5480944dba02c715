package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
	"github.com/spf13/cobra"

	"controlcenter/internal/config"
)

// metricsExcerpt bounds the metrics in a bundle.
const metricsExcerpt = 1 << 20

// bundle is what doctor gathers. A part that could not be had says why in Missing.
type bundle struct {
	Time    time.Time         `json:"time"`
	Check   checkReport       `json:"check"`
	Build   map[string]string `json:"build"`
	System  systemInfo        `json:"system"`
	Config  []shownSetting    `json:"config"` // secrets masked
	Health  json.RawMessage   `json:"health"`
	Metrics string            `json:"metrics"` // the daemon's own families: what it does, not what it sees
	Missing map[string]string `json:"missing"`
}

type systemInfo struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Platform    string `json:"platform"`
	Kernel      string `json:"kernel"`
	CPUs        int    `json:"cpus"`
	MemoryBytes uint64 `json:"memory_bytes"`
	Container   string `json:"virtualization"`
	UptimeSec   uint64 `json:"uptime_seconds"`
}

func (e *env) doctorCmd() *cobra.Command {
	var asJSON bool
	var file string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything and write a support bundle without secrets",
		Long: `Run the checks, and gather what helps to find a fault: configuration with its
secrets masked, versions, the operating system, the daemon's health and its own
metrics. It goes into a .tar.gz of mode 0600 that holds no secrets, no process
list and no environment values; look into it before you send it.

Exit code 1 when a check fails; the bundle is written all the same.`,
		Example: `  controlcenter doctor
  controlcenter doctor --file /tmp/bundle.tar.gz
  controlcenter doctor --json`,
		Args: maxArgs(0),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the bundle as JSON instead of writing a file")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to write, - for stdout (default controlcenter-doctor-TIME.tar.gz here)")
	cmd.RunE = e.run(func(c *call) error {
		b := e.gather(c.ctx, e.loadOptions(nil))
		if err := e.deliver(b, asJSON, file); err != nil {
			return err
		}
		if n := countStatus(b.Check.Checks, checkFail); n > 0 {
			return fmt.Errorf("%d of %d checks failed", n, len(b.Check.Checks))
		}
		return nil
	})
	return cmd
}

// gather collects every part it can.
func (e *env) gather(ctx context.Context, o config.Options) *bundle {
	b := &bundle{Time: time.Now().UTC(), Build: e.build(), System: readSystem(ctx), Config: []shownSetting{}, Missing: map[string]string{}}
	var l *config.Loaded
	if b.Check, l = e.check(ctx, o); l != nil {
		b.Config = shownSettings(l)
	} else {
		b.Missing["config"] = "not valid, see check"
	}
	if err := e.gatherDaemon(ctx, b); err != nil {
		b.Missing["daemon"] = err.Error()
	}
	return b
}

func (e *env) gatherDaemon(ctx context.Context, b *bundle) error {
	cl, err := e.dial()
	if err != nil {
		return err
	}
	defer cl.close()
	h, err := cl.health(ctx)
	if err != nil {
		return err
	}
	b.Health = h.raw
	if b.Metrics, err = cl.ownMetrics(ctx); err != nil {
		b.Missing["metrics"] = err.Error()
	}
	return nil
}

// ownMetrics returns the lines of /metrics about the daemon: its collectors, HTTP, store, Go runtime. Families about the
// machine would carry the names of its processes, disks and networks to whoever reads the bundle.
func (cl *client) ownMetrics(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cl.timeout)
	defer cancel()
	resp, err := cl.do(ctx, http.MethodGet, "/metrics", http.Header{"Accept": {"text/plain"}}, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	all, err := readLimited(resp.Body, maxAnswer)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	for line := range bytes.Lines(all) {
		if ownFamily(line) && out.Len() < metricsExcerpt {
			out.Write(line)
		}
	}
	return out.String(), nil
}

// ownPrefixes are the families that describe the daemon itself.
var ownPrefixes = [...]string{
	"controlcenter_collector_", "controlcenter_ws_", "controlcenter_events_", "controlcenter_store_", "controlcenter_config_",
	"controlcenter_build_info", "controlcenter_series_withheld", "controlcenter_keeper_", "go_", "process_", "http_",
}

func ownFamily(line []byte) bool {
	name := line
	for _, head := range []string{"# HELP ", "# TYPE "} {
		if rest, ok := bytes.CutPrefix(line, []byte(head)); ok {
			name = rest
		}
	}
	for _, p := range ownPrefixes {
		if bytes.HasPrefix(name, []byte(p)) {
			return true
		}
	}
	return false
}

// build says how this binary was made, with the versions of the modules in it.
func (e *env) build() map[string]string {
	out := map[string]string{"version": e.o.Version.String(), "revision": e.o.Version.Revision, "built": e.o.Version.BuildDate, "go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			out["module "+m.Path] = m.Version
		}
	}
	return out
}

func readSystem(ctx context.Context) systemInfo {
	out := systemInfo{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	if h, err := host.InfoWithContext(ctx); err == nil {
		out.Platform, out.Kernel, out.UptimeSec = h.Platform+" "+h.PlatformVersion, h.KernelVersion, h.Uptime
		if h.VirtualizationRole == "guest" {
			out.Container = h.VirtualizationSystem
		}
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		out.MemoryBytes = m.Total
	}
	return out
}

// deliver redacts the bundle and prints or writes it.
func (e *env) deliver(b *bundle, asJSON bool, file string) error {
	raw, err := marshal(b)
	if err != nil {
		return err
	}
	secrets := e.secrets()
	if asJSON || e.format != formatTable {
		f := e.format
		if asJSON {
			f = formatJSON
		}
		out, err := render(redact(raw, secrets), f)
		if err != nil {
			return err
		}
		_, err = e.o.Stdout.Write(out)
		return err
	}
	if file == "-" {
		return writeBundle(e.o.Stdout, b, secrets)
	}
	if err := e.writeChecks(b.Check); err != nil {
		return err
	}
	if file == "" {
		file = "controlcenter-doctor-" + b.Time.Format("20060102T150405Z") + ".tar.gz"
	}
	n, err := writeWhole(file, false, func(w io.Writer) (int64, error) {
		counted := &countingWriter{w: w}
		err := writeBundle(counted, b, secrets)
		return counted.n, err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.o.Stdout, "\nwrote %s (%s)\n", clean(file), bytesText(float64(n)))
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeBundle packs the parts, one file each.
func writeBundle(w io.Writer, b *bundle, secrets []string) error {
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	add := func(name string, data []byte) error {
		data = redact(data, secrets)
		h := &tar.Header{Name: "controlcenter-doctor/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: b.Time, Typeflag: tar.TypeReg}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		_, err := tw.Write(data)
		return err
	}
	parts := []struct {
		name string
		v    any
	}{{"check.json", b.Check}, {"build.json", b.Build}, {"system.json", b.System}, {"config.json", b.Config}, {"health.json", b.Health}, {"missing.json", b.Missing}}
	for _, p := range parts {
		raw, err := marshal(p.v)
		if err == nil {
			raw, err = render(raw, formatJSON)
		}
		if err == nil {
			err = add(p.name, raw)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", p.name, err)
		}
	}
	if err := add("metrics.txt", []byte(b.Metrics)); err != nil {
		return fmt.Errorf("write metrics.txt: %w", err)
	}
	if err := tw.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}
