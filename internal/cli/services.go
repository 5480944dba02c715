package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const servicesPath = "/api/services"

// service is what the tables show of a service object of the API.
type service struct {
	Name          string     `json:"name"`
	DisplayName   string     `json:"display_name"`
	Type          string     `json:"type"`
	Status        string     `json:"status"`
	State         string     `json:"state"`
	Reason        string     `json:"reason"`
	LogError      string     `json:"log_error"`
	Waiting       string     `json:"waiting"`
	Health        string     `json:"health"`
	Autostart     bool       `json:"autostart"`
	PID           *int       `json:"pid"`
	Port          *int       `json:"port"`
	Tags          []string   `json:"tags"`
	Origin        string     `json:"origin"`
	UptimeSeconds int64      `json:"uptime_seconds"`
	Restarts      uint64     `json:"restarts"`
	RetryAt       *time.Time `json:"retry_at"`
	NextRun       *time.Time `json:"next_run"`

	raw json.RawMessage
}

// servicePath is the path of one service, and what is below it.
func servicePath(name string, below ...string) string {
	return servicesPath + "/" + url.PathEscape(name) + strings.Join(append([]string{""}, below...), "/")
}

// sameName compares names as the daemon does: the case of letters, - and _ make no difference.
func sameName(a, b string) bool {
	key := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }
	return key(a) == key(b)
}

// services lists all services by name.
func (c *client) services(ctx context.Context) ([]service, error) {
	out := []service{}
	for {
		var page struct {
			Total    int               `json:"total"`
			Services []json.RawMessage `json:"services"`
		}
		if _, err := c.decode(ctx, withQuery(servicesPath, url.Values{"limit": {"100"}, "offset": {strconv.Itoa(len(out))}}), &page); err != nil {
			return nil, err
		}
		for _, raw := range page.Services {
			s := service{raw: raw}
			if err := json.Unmarshal(raw, &s); err != nil {
				return nil, fmt.Errorf("answer of %s%s: %w", c.where, servicesPath, err)
			}
			out = append(out, s)
		}
		if len(page.Services) == 0 || len(out) >= page.Total {
			return out, nil
		}
	}
}

// named picks the services of these names in the order given; one that is not there is an error that names a near one.
func named(all []service, names []string) ([]service, error) {
	var out []service
	for _, name := range names {
		i := slices.IndexFunc(all, func(s service) bool { return sameName(s.Name, name) })
		if i < 0 {
			return nil, exitf(ExitNotFound, "there is no service %q%s", name, nearService(all, name))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func nearService(all []service, name string) string {
	for _, s := range all {
		if len(name) > 1 && (strings.Contains(strings.ToLower(s.Name), strings.ToLower(name)) || strings.Contains(strings.ToLower(name), strings.ToLower(s.Name))) {
			return fmt.Sprintf("; did you mean %s?", s.Name)
		}
	}
	return ""
}

// completeServices completes names of services that are not given yet, from the running daemon.
func (e *env) completeServices(keep func(*service) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
		defer cancel()
		cl, err := e.dial()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer cl.close()
		all, err := cl.services(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, s := range all {
			given := slices.ContainsFunc(args, func(a string) bool { return sameName(a, s.Name) })
			if !given && (keep == nil || keep(&s)) {
				out = append(out, cobra.CompletionWithDesc(s.Name, s.State+" "+s.DisplayName))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTags completes the tags that services have.
func (e *env) completeTags(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	cl, err := e.dial()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer cl.close()
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	all, _ := cl.services(ctx)
	var out []string
	for _, s := range all {
		out = append(out, s.Tags...)
	}
	slices.Sort(out)
	return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
}

func (e *env) writeServices(all []service) error {
	t := newTable("NAME", "STATE", "HEALTH", "PID>", "PORT>", "UPTIME>", "RESTARTS>", "REASON")
	now := time.Now()
	for _, s := range all {
		uptime, reason := "", s.Reason
		if s.PID != nil {
			uptime = age(time.Duration(s.UptimeSeconds) * time.Second)
		}
		if s.Waiting != "" {
			reason = s.Waiting
		}
		if s.LogError != "" {
			reason = "log cannot be written: " + s.LogError
		}
		switch {
		case s.State == "backoff" && s.RetryAt != nil:
			reason = fmt.Sprintf("%s; again in %s", reason, age(max(s.RetryAt.Sub(now), 0)))
		case s.NextRun != nil && s.PID == nil:
			reason = strings.TrimPrefix(fmt.Sprintf("%s; next run %s", reason, s.NextRun.Local().Format(time.DateTime)), "; ")
		}
		t.add(s.Name, s.State, s.Health, number(s.PID), number(s.Port), uptime, strconv.FormatUint(s.Restarts, 10), shorten(reason, 100))
	}
	return t.write(e.o.Stdout, e.styled())
}

// age shows a duration in its two largest units: "3d4h", "5m2s".
func age(d time.Duration) string {
	d = d.Round(time.Second)
	days := d / (24 * time.Hour)
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

// rawList is the objects as the daemon sent them.
func rawList(all []service) []json.RawMessage {
	out := []json.RawMessage{}
	for _, s := range all {
		out = append(out, s.raw)
	}
	return out
}

// isStatus says whether the daemon answered with this status.
func isStatus(err error, status int) bool {
	ae, ok := errors.AsType[*apiError](err)
	return ok && ae.Status == status
}

// servicesIfAny is services for a daemon that may have none of these routes, or may not let us see them.
func (c *client) servicesIfAny(ctx context.Context) ([]service, error) {
	all, err := c.services(ctx)
	for _, status := range []int{http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable} {
		if isStatus(err, status) {
			return nil, nil
		}
	}
	return all, err
}
