package config

import (
	"strconv"

	"controlcenter/internal/lazy"
	"controlcenter/internal/unit"
)

// Notify says who is told of what; names of rules and URLs of channels are checked by who uses them.
type Notify struct {
	Channels map[string]NotifyChannel `yaml:"channels" doc:"Where messages go, by name, see docs/notifications.md."`
	Rules    NotifyRules              `yaml:"rules" doc:"What is told."`

	GroupWait      unit.Duration `yaml:"group_wait" min:"0s" max:"1h" doc:"Time from a new alert to its message, so that others can join it."`
	GroupInterval  unit.Duration `yaml:"group_interval" min:"0s" max:"1d" doc:"Further events of an alert that was told, such as one more crash, wait so long for each other."`
	RepeatInterval unit.Duration `yaml:"repeat_interval" min:"0s" max:"365d" doc:"An alert that still fires is told again after this time; 0s for never."`
	GiveUp         unit.Duration `yaml:"give_up" min:"1m" max:"30d" doc:"A message that could not be delivered for this time is given up."`

	QuietHours  QuietHours          `yaml:"quiet_hours" doc:"Hours in which only what is critical is told; the rest follows in one message when they end."`
	Maintenance []MaintenanceWindow `yaml:"maintenance" items:"..100" doc:"Times of planned work, in which nothing is told."`
}

// NotifyChannel is one place to send messages to.
type NotifyChannel struct {
	URL     string `yaml:"url" secret:"true" doc:"Kind, address and secrets of the channel, such as slack://..., or https://... for a webhook; a variable of the environment in it is written like in a shell, with braces."`
	URLFile string `yaml:"url_file" format:"path" doc:"File that holds the URL, in place of url."`

	MinSeverity string        `yaml:"min_severity" enum:"info warning critical" doc:"Least severity that goes to this channel."`
	Services    []string      `yaml:"services" items:"..1000" doc:"Only alerts of these services and jobs; none for all, and those of the machine."`
	Rules       []string      `yaml:"rules" items:"..200" format:"name" doc:"Only alerts of these rules; none for all."`
	NoResolved  bool          `yaml:"no_resolved" doc:"Do not tell that an alert is over."`
	Secret      string        `yaml:"secret" secret:"true" doc:"Of a webhook: signs the body, see docs/notifications.md."`
	SecretFile  string        `yaml:"secret_file" format:"path" doc:"File that holds secret."`
	Bearer      string        `yaml:"bearer" secret:"true" doc:"Of a webhook: token for the Authorization header."`
	BearerFile  string        `yaml:"bearer_file" format:"path" doc:"File that holds bearer."`
	Timeout     unit.Duration `yaml:"timeout" max:"5m" doc:"How long one attempt may take; 15s when it is not given."`
}

// NotifyRules say which rules are in force.
type NotifyRules struct {
	Defaults bool     `yaml:"defaults" doc:"Rules that are on by default are on; false leaves those in enable."`
	Enable   []string `yaml:"enable" format:"name" unique:"true" items:"..200" doc:"Names of rules that are on besides."`
	Disable  []string `yaml:"disable" format:"name" unique:"true" items:"..200" doc:"Names of rules that are off."`
	// Override changes rules, by name.
	Override map[string]NotifyOverride `yaml:"override" doc:"Changes to rules, by name."`
}

// NotifyOverride changes a rule; what is not given stays as it is.
type NotifyOverride struct {
	Severity string        `yaml:"severity" enum:"info warning critical" doc:"Severity of its alerts."`
	For      unit.Duration `yaml:"for" max:"30d" doc:"How long something must last to be an alert."`
	Limit    float64       `yaml:"limit" min:"0" max:"1e15" doc:"The limit, in the unit that the table of rules says."`
}

// QuietHours are a time of each day.
type QuietHours struct {
	From     string `yaml:"from" format:"clock" doc:"When they begin, such as 22:00; empty for none."`
	To       string `yaml:"to" format:"clock" doc:"When they end, such as 07:00."`
	Timezone string `yaml:"timezone" doc:"Time zone of both, such as Europe/Berlin; empty for that of this machine."`
}

// MaintenanceWindow is a time of planned work that comes again and again.
type MaintenanceWindow struct {
	Cron     string        `yaml:"cron" doc:"When it begins, as a cron expression of five fields; needed."`
	Duration unit.Duration `yaml:"duration" min:"1m" max:"7d" doc:"How long it lasts; needed."`
	Timezone string        `yaml:"timezone" doc:"Time zone of cron; empty for that of this machine."`
	Services []string      `yaml:"services" items:"..1000" doc:"Only these services and jobs; none for everything."`
	Rules    []string      `yaml:"rules" items:"..200" format:"name" doc:"Only these rules; none for all."`
}

// Fleet lists other machines, for Prometheus to find them.
type Fleet struct {
	Self    bool          `yaml:"self" doc:"List this server itself, by the address that was asked for."`
	Targets []FleetTarget `yaml:"targets" items:"..10000" doc:"Other servers, answered by GET /api/sd/prometheus for Prometheus' HTTP service discovery."`
}

// FleetTarget is a group of servers with the same labels.
type FleetTarget struct {
	Targets []string          `yaml:"targets" format:"hostport" items:"1..10000" doc:"Addresses, host:port; needed."`
	Labels  map[string]string `yaml:"labels" doc:"Labels of all of them."`
}

var labelPattern = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkChannels is the cross check of notify.channels.
func checkChannels(c *Config) string {
	for name, ch := range c.Notify.Channels {
		switch {
		case ch.URL == "" && ch.URLFile == "":
			return "entry " + quote(name) + " has neither url nor url_file; accepted: one of the two"
		case ch.URL != "" && ch.URLFile != "":
			return "entry " + quote(name) + " has url and url_file; accepted: one of the two"
		case ch.Secret != "" && ch.SecretFile != "":
			return "entry " + quote(name) + " has secret and secret_file; accepted: one of the two"
		case ch.Bearer != "" && ch.BearerFile != "":
			return "entry " + quote(name) + " has bearer and bearer_file; accepted: one of the two"
		}
	}
	return ""
}

func checkQuietHours(c *Config) string {
	if q := c.Notify.QuietHours; (q.From == "") != (q.To == "") {
		return "only one of from and to is given; accepted: both, or none"
	}
	return ""
}

func checkMaintenance(c *Config) string {
	for i, w := range c.Notify.Maintenance {
		switch {
		case w.Cron == "":
			return "entry " + strconv.Itoa(i) + " has no cron; accepted: a cron expression such as \"0 3 * * SUN\""
		case w.Duration == 0:
			return "entry " + strconv.Itoa(i) + " has no duration; accepted: 1m to 7d"
		}
	}
	return ""
}

func checkFleet(c *Config) string {
	for i, t := range c.Fleet.Targets {
		if len(t.Targets) == 0 {
			return "entry " + strconv.Itoa(i) + " has no targets; accepted: a list of host:port"
		}
		for name := range t.Labels {
			if !labelPattern().MatchString(name) {
				return "entry " + strconv.Itoa(i) + " has the label " + quote(name) + "; accepted: letters, digits and _, no digit first"
			}
		}
	}
	return ""
}
