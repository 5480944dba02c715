package notify

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"controlcenter/control"
	"controlcenter/internal/lazy"
	"controlcenter/internal/unit"
)

// Settings are what the configuration says. A value is never changed after it was handed over.
type Settings struct {
	Channels []ChannelSettings
	Defaults bool // rules that are on by default are on
	Enable   []string
	Disable  []string
	// Overrides change rules, by name.
	Overrides map[string]Override

	GroupWait     time.Duration // from a new alert to its message, so that others can join it
	GroupInterval time.Duration // more events of an alert that was told wait so long for each other
	Repeat        time.Duration // an alert that fires still is told again after; 0 = never
	GiveUp        time.Duration // a message that no attempt could deliver is given up after
	Quiet         *Quiet        // nil = no quiet hours
	Windows       []Window

	// RetryMin and RetryMax bound the wait between two attempts; 0 = 5 s and 15 min.
	RetryMin, RetryMax time.Duration
	// Look is the time between two looks at readings; 0 = 10 s.
	Look time.Duration
	// Host names this machine in messages.
	Host string
}

// DefaultSettings are those of a configuration that says nothing.
func DefaultSettings() Settings {
	return Settings{Defaults: true, GroupWait: 5 * time.Second, GroupInterval: 5 * time.Minute, Repeat: 4 * time.Hour, GiveUp: 24 * time.Hour}
}

// ChannelSettings are one channel of the configuration.
type ChannelSettings struct {
	Name        string
	URL         string   // holds secrets
	MinSeverity Severity // "" = Info
	Services    []string // only of these services; none = of all, and of the machine
	Rules       []string // only of these rules; none = of all
	NoResolved  bool     // ends of alerts are not told
	Secret      string   // of a webhook: signs the body
	Bearer      string   // of a webhook: goes into the Authorization header
	Timeout     time.Duration
}

// Quiet are the hours in which only what is critical is told at once.
type Quiet struct {
	From, To time.Duration // since midnight; To before From = over midnight
	Location *time.Location
}

// Window is a time of maintenance that comes again and again.
type Window struct {
	Cron, Timezone string
	Duration       time.Duration
	Services       []string // none = everything is muted
	Rules          []string // none = all rules
}

var channelName = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$`)

// Check says what is wrong, naming the key, or nil. Nothing of a channel's URL is in the error.
func (s *Settings) Check() error {
	names := RuleNames()
	rule := func(key, name string) error {
		if slices.Contains(names, name) {
			return nil
		}
		return fmt.Errorf("%s: no rule %q; accepted: %s", key, name, strings.Join(names, ", "))
	}
	var errs []error
	for _, name := range s.Enable {
		errs = append(errs, rule("notify.rules.enable", name))
	}
	for _, name := range s.Disable {
		errs = append(errs, rule("notify.rules.disable", name))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Overrides)) {
		key := "notify.rules.override." + name
		errs = append(errs, rule(key, name))
		for _, r := range Rules() {
			if r.Name == name && r.Unit == "" && s.Overrides[name].Limit != 0 {
				errs = append(errs, fmt.Errorf("%s.limit: the rule has no limit to set", key))
			}
		}
	}
	for i := range s.Channels {
		c := &s.Channels[i]
		key := "notify.channels." + c.Name
		if !channelName().MatchString(c.Name) {
			errs = append(errs, fmt.Errorf("%s: is no name of a channel; accepted: 1 to 50 letters, digits, . _ -", key))
		}
		for _, name := range c.Rules {
			errs = append(errs, rule(key+".rules", name))
		}
		if _, err := openChannel(c); err != nil {
			errs = append(errs, fmt.Errorf("%s.url: %w", key, err))
		}
	}
	for i := range s.Windows {
		w := &s.Windows[i]
		key := fmt.Sprintf("notify.maintenance[%d]", i)
		sched := control.Schedule{Cron: w.Cron, Timezone: w.Timezone}
		if err := sched.Check(); err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", key, err))
		}
		for _, name := range w.Rules {
			errs = append(errs, rule(key+".rules", name))
		}
	}
	return errors.Join(errs...)
}

// enabled says whether a rule is in force.
func (s *Settings) enabled(r *Rule) bool {
	switch {
	case slices.Contains(s.Disable, r.Name):
		return false
	case slices.Contains(s.Enable, r.Name):
		return true
	}
	return s.Defaults && !r.Off
}

// takes says whether a channel wants an item.
func (c *ChannelSettings) takes(it *Item) bool {
	return it.Severity.atLeast(c.MinSeverity) && (len(c.Rules) == 0 || slices.Contains(c.Rules, it.Rule)) &&
		(len(c.Services) == 0 || it.Service != "" && slices.ContainsFunc(c.Services, func(s string) bool { return control.Key(s) == control.Key(it.Service) })) &&
		(it.Status != Resolved || !c.NoResolved)
}

// until says whether now is in the quiet hours, and when they end.
func (q *Quiet) until(now time.Time) (time.Time, bool) {
	if q == nil || q.From == q.To {
		return time.Time{}, false
	}
	local := now.In(q.Location)
	y, m, d := local.Date()
	at := func(day int, of time.Duration) time.Time {
		return time.Date(y, m, day, int(of/time.Hour), int(of%time.Hour/time.Minute), 0, 0, q.Location)
	}
	if q.From < q.To {
		end := at(d, q.To)
		return end, !now.Before(at(d, q.From)) && now.Before(end)
	}
	switch {
	case !now.Before(at(d, q.From)):
		return at(d+1, q.To), true
	case now.Before(at(d, q.To)):
		return at(d, q.To), true
	}
	return time.Time{}, false
}

// ParseQuiet reads hours such as 22:00 and 07:00. Both empty = no quiet hours.
func ParseQuiet(from, to, timezone string) (*Quiet, error) {
	if from == "" && to == "" {
		return nil, nil //nolint:nilnil // there are none, and that is fine
	}
	q := &Quiet{Location: time.Local}
	for _, f := range []struct {
		key, text string
		to        *time.Duration
	}{{"from", from, &q.From}, {"to", to, &q.To}} {
		t, err := time.Parse("15:04", f.text)
		if err != nil {
			return nil, fmt.Errorf("notify.quiet_hours.%s: %q is not a time of day; accepted: 00:00 to 23:59", f.key, f.text)
		}
		*f.to = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	if timezone != "" {
		var err error
		if q.Location, err = time.LoadLocation(timezone); err != nil {
			return nil, fmt.Errorf("notify.quiet_hours.timezone: %q is not a time zone; accepted: names such as Europe/Berlin", timezone)
		}
	}
	return q, nil
}

// active says whether now is in the window.
func (w *Window) active(now time.Time) bool {
	s := control.Schedule{Cron: w.Cron, Timezone: w.Timezone}
	begin := s.Next(now.Add(-w.Duration), time.Time{})
	return !begin.IsZero() && !begin.After(now)
}

func (w *Window) covers(rule, service string) bool {
	return (len(w.Services) == 0 || service != "" && slices.ContainsFunc(w.Services, func(s string) bool { return control.Key(s) == control.Key(service) })) &&
		(len(w.Rules) == 0 || slices.Contains(w.Rules, rule))
}

// Mute keeps alerts of a service, a rule, or a rule of a service from being told for a time.
type Mute struct {
	ID      string    `json:"id"`
	Service string    `json:"service,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

func (m *Mute) covers(now time.Time, rule, service string) bool {
	return now.Before(m.Until) && (m.Service == "" || control.Key(m.Service) == control.Key(service)) && (m.Rule == "" || m.Rule == rule)
}

// muting returns what mutes and windows say now.
func (s *Settings) muting(now time.Time, mutes []Mute) func(rule, service string) bool {
	var windows []*Window
	for i := range s.Windows {
		if s.Windows[i].active(now) {
			windows = append(windows, &s.Windows[i])
		}
	}
	return func(rule, service string) bool {
		return slices.ContainsFunc(windows, func(w *Window) bool { return w.covers(rule, service) }) ||
			slices.ContainsFunc(mutes, func(m Mute) bool { return m.covers(now, rule, service) })
	}
}

// Expand replaces ${NAME} in a URL by variables. The error names the variable that is not set.
func Expand(text string, lookup func(string) (string, bool)) (string, error) {
	var missing string
	out := placeholder().ReplaceAllStringFunc(text, func(m string) string {
		v, ok := lookup(m[2 : len(m)-1])
		if !ok && missing == "" {
			missing = m[2 : len(m)-1]
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("the environment has no variable %s", missing)
	}
	return out, nil
}

var placeholder = lazy.Regexp(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// shownURL is what may be seen of a channel's URL: its kind and, where that is no secret, its host.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return masked
	}
	switch u.Scheme {
	case "http", "https", "ntfy", "smtp", "gotify", "matrix", "mattermost", "rocketchat":
		return u.Scheme + "://" + u.Host + "/" + masked
	case "desktop":
		return "desktop://"
	}
	return u.Scheme + "://" + masked
}

// DurationText writes a duration as people do.
func durationText(d time.Duration) string { return unit.Duration(d).String() }
