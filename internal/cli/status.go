package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// health is what status and check read of /health/detailed.
type health struct {
	Status    string   `json:"status"`
	Version   string   `json:"version"`
	Uptime    *float64 `json:"uptime_seconds"`
	ProcessID int      `json:"process_id"`
	Database  string   `json:"database"`
	System    struct {
		CPU    *float64 `json:"cpu_percent"`
		Memory *float64 `json:"memory_percent"`
		Disk   *float64 `json:"disk_percent"`
	} `json:"system"`
	raw json.RawMessage
}

// health asks the daemon how it is. One that is starting answers 503 with the same body, which is an answer, not an error.
func (cl *client) health(ctx context.Context) (*health, error) {
	ctx, cancel := context.WithTimeout(ctx, cl.timeout)
	defer cancel()
	const path = "/health/detailed"
	resp, err := cl.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := readLimited(resp.Body, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("read answer of %s%s: %w", cl.where, path, err)
	}
	h := &health{}
	if json.Unmarshal(b, h) == nil && h.Status != "" && h.Uptime != nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusServiceUnavailable) {
		h.raw = b
		return h, nil
	}
	if resp.StatusCode >= 300 {
		resp.Body = io.NopCloser(bytes.NewReader(b))
		return nil, answerError(resp)
	}
	return nil, fmt.Errorf("what answers at %s is no controlcenter", cl.where)
}

// collector is the state of one reader of the machine, from /metrics.
type collector struct {
	Name    string   `json:"name"`
	State   string   `json:"state"` // ok, error or absent (nothing of the kind on this machine)
	Seconds *float64 `json:"duration_seconds"`
}

// collectors reads the collector families, and only those, from /metrics.
func (cl *client) collectors(ctx context.Context) ([]collector, error) {
	ctx, cancel := context.WithTimeout(ctx, cl.timeout)
	defer cancel()
	const success, took = "controlcenter_collector_success", "controlcenter_collector_duration_seconds"
	resp, err := cl.do(ctx, http.MethodGet, withQuery("/metrics", url.Values{"name[]": {success, took}}), http.Header{"Accept": {"text/plain"}}, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("parse %s/metrics: %w", cl.where, err)
	}
	byName := map[string]*collector{}
	for _, family := range []string{took, success} {
		for _, m := range families[family].GetMetric() {
			name := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "collector" {
					name = l.GetValue()
				}
			}
			c := byName[name]
			if c == nil {
				c = &collector{Name: name, State: "absent"}
				byName[name] = c
			}
			v := m.GetGauge().GetValue()
			switch {
			case family == took:
				c.Seconds = &v
			case v == 1:
				c.State = "ok"
			default:
				c.State = "error"
			}
		}
	}
	out := []collector{}
	for _, name := range sortedKeys(byName) {
		out = append(out, *byName[name])
	}
	return out, nil
}

// listeners lists the addresses that a process listens on, as the daemon itself sees them; nil when it does not tell.
func (cl *client) listeners(ctx context.Context, pid int) []string {
	var body struct {
		Ports []struct {
			portRow
			Addresses []string `json:"addresses"`
		} `json:"ports"`
	}
	if pid == 0 {
		return nil
	}
	if _, err := cl.decode(ctx, "/api/system/ports?start=1&end=65535", &body); err != nil {
		return nil
	}
	var out []string
	for _, p := range body.Ports {
		if p.PID == nil || *p.PID != pid || p.Protocol != "TCP" {
			continue
		}
		if len(p.Addresses) == 0 {
			p.Addresses = []string{p.Address}
		}
		for _, a := range p.Addresses {
			out = append(out, joinAddress(a, p.Port))
		}
	}
	return out
}

func joinAddress(host string, port int) string {
	if bytes.ContainsRune([]byte(host), ':') {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// statusReport is the output of status.
type statusReport struct {
	Asked      string            `json:"asked"`
	Running    bool              `json:"running"`
	Listening  []string          `json:"listening"`
	Health     json.RawMessage   `json:"health"`
	Collectors []collector       `json:"collectors"`
	Services   []json.RawMessage `json:"services"`
}

func (e *env) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show how the daemon and the services are",
		Long: `Show how the daemon and the services are: version, pid, uptime, addresses, the
machine in short, each service, and the state of each collector. With names, only
those services. Exit code 5 when no daemon answers, 3 when there is no such service.`,
		Example: `  controlcenter status
  controlcenter status comfyui
  controlcenter status --url http://127.0.0.1:8080
  controlcenter status -o json`,
		ValidArgsFunction: e.completeServices(nil),
		RunE: e.run(func(c *call) error {
			if len(c.args) > 0 {
				return e.serviceStatus(c)
			}
			h, err := c.client.health(c.ctx)
			if err != nil {
				return err
			}
			cols, err := c.client.collectors(c.ctx)
			if ee, ok := errors.AsType[*exitError](err); err != nil && (!ok || ee.code != ExitRefused) {
				return err
			}
			services, err := c.client.servicesIfAny(c.ctx)
			if err != nil {
				return err
			}
			rep := statusReport{c.client.where, true, slices.Concat([]string{}, c.client.listeners(c.ctx, h.ProcessID)), h.raw, cols, rawList(services)}
			return e.print(rep, func() error {
				if err := e.writeStatus(rep, h); err != nil || len(services) == 0 {
					return errors.Join(err, e.writeCollectors(rep.Collectors))
				}
				if _, err := fmt.Fprintln(e.o.Stdout); err != nil {
					return err
				}
				return errors.Join(e.writeServices(services), e.writeCollectors(rep.Collectors))
			})
		}, needDaemon),
	}
}

// serviceStatus shows the services that are named; one that is not there is told after the others.
func (e *env) serviceStatus(c *call) error {
	all, err := c.client.services(c.ctx)
	if err != nil {
		return err
	}
	found, missing := []service{}, error(nil)
	for _, name := range c.args {
		s, err := named(all, []string{name})
		if err != nil {
			missing = err
			continue
		}
		found = append(found, s...)
	}
	if len(found) > 0 {
		err = e.print(map[string]any{"services": rawList(found)}, func() error { return e.writeServices(found) })
	}
	if err != nil {
		return err
	}
	return missing
}

func (e *env) writeStatus(rep statusReport, h *health) error {
	t := newTable("", "")
	row := func(name, format string, args ...any) { t.add(name, fmt.Sprintf(format, args...)) }
	row("daemon", "running")
	row("health", "%s", h.Status)
	row("version", "%s", Version{Version: h.Version})
	if h.ProcessID != 0 {
		row("pid", "%d", h.ProcessID)
	}
	row("uptime", "%s", time.Duration(*h.Uptime*float64(time.Second)).Round(time.Second))
	row("asked at", "%s", rep.Asked)
	for _, a := range rep.Listening {
		row("listening", "%s", a)
	}
	if h.Database != "" {
		row("store", "%s", h.Database)
	}
	for _, u := range []struct {
		name  string
		value *float64
	}{{"cpu", h.System.CPU}, {"memory", h.System.Memory}, {"disk", h.System.Disk}} {
		if u.value != nil {
			row(u.name, "%s %%", percent(u.value))
		}
	}
	return t.write(e.o.Stdout, e.styled())
}

// writeCollectors shows the readers of the machine, below what stands there already.
func (e *env) writeCollectors(all []collector) error {
	if len(all) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(e.o.Stdout); err != nil {
		return err
	}
	t := newTable("COLLECTOR", "STATE", "LAST READ TOOK>")
	for _, c := range all {
		took := ""
		if c.Seconds != nil {
			took = time.Duration(*c.Seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
		}
		t.add(c.Name, c.State, took)
	}
	return t.write(e.o.Stdout, e.styled())
}
