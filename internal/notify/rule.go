package notify

import (
	"slices"
	"time"

	"controlcenter/internal/event"
)

// Severity says how much a finding matters.
type Severity string

// The severities, lowest first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

var severities = []Severity{Info, Warning, Critical}

// atLeast compares; a word that is no severity is below all.
func (s Severity) atLeast(least Severity) bool {
	return slices.Index(severities, s) >= slices.Index(severities, least)
}

// Rule is one row of the table: what is looked for, and what it means. A rule looks at events (on) or at readings (check).
type Rule struct {
	Name        string
	Severity    Severity
	Off         bool          // unless it is enabled
	For         time.Duration // a finding must last so long before it is an alert; of rules over readings
	Limit       float64       // a finding at or above it (Below: at or below it) is an alert; 0 of rules without one
	Slack       float64       // an alert ends only when the value is so far on the good side of Limit
	Below       bool
	Unit        string // of Limit: ratio, celsius, seconds, ...; "" = the rule has no limit to set
	Summary     string // what it is about, one line for lists
	Description string // why it matters and what to do
	// Covers names a rule that stays silent for a subject while this one fires for it.
	Covers string

	// on says what an event means to the rule, nil = nothing.
	on func(*event.Row) *finding
	// more than Limit hits of on within this time make an alert; 0 = each does.
	window time.Duration
	// clears says whether an alert that events began is over; nil = it is over at once.
	clears func(*Reading, *Alert, time.Time) bool
	// check lists what the rule can say about now; false = nothing is known, and alerts stay as they are.
	check func(*memory, *Reading) ([]finding, bool)
}

// finding is what a rule says about one subject.
type finding struct {
	subject string  // what it is about: a service, a mount point; "" = the machine
	service string  // of a service or job, for filters and mutes
	value   float64 // compared with the limit; NaN = not known now
	limit   float64 // in place of the rule's, when not 0
	summary string
	text    string
	level   Severity // in place of the rule's, when not ""
}

// Rules is the table of all rules, in the order of the documentation. A new rule is one row here.
func Rules() []Rule { return slices.Concat(eventRules(), serviceRules(), machineRules()) }

// RuleNames lists the names of all rules.
func RuleNames() []string {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	return names
}

// Override changes a rule. Zero fields leave it as it is.
type Override struct {
	Severity Severity
	For      time.Duration
	Limit    float64
}
