package notify

import (
	"math"
	"time"
)

// States of an [Alert].
const (
	Pending  = "pending"  // found, but not for long enough
	Firing   = "firing"   //
	Resolved = "resolved" // over
	watching = ""         // hits are counted, too few yet; not shown
)

// Alert is what a rule says about one subject. A value that was handed out is never changed.
type Alert struct {
	Rule        string      `json:"rule"`
	Severity    Severity    `json:"severity"`
	Subject     string      `json:"subject"` // "" = the machine
	Service     string      `json:"service,omitempty"`
	State       string      `json:"state"`
	Since       time.Time   `json:"since"`          // pending: found; firing: began; resolved: began
	Last        time.Time   `json:"last"`           // the last event of it, or when it was last found
	EndedAt     *time.Time  `json:"ended_at"`       // of a resolved one
	Count       int         `json:"count"`          // events since it began
	Value       *float64    `json:"value"`          // null = it has none
	Summary     string      `json:"summary"`        //
	Description string      `json:"description"`    //
	Muted       bool        `json:"muted"`          // nobody is told of it now
	Told        *time.Time  `json:"told,omitempty"` // when people were last told that it fires
	Times       []time.Time `json:"times,omitempty"`
}

func alertKey(rule, subject string) string { return rule + "/" + subject }

func (a *Alert) key() string { return alertKey(a.Rule, a.Subject) }

// Item is one thing that a message tells: an alert that began, one more event of it, its end.
type Item struct {
	ID          string            `json:"id"` // the same when it is told again by a repeated delivery
	Status      string            `json:"status"`
	Rule        string            `json:"rule"`
	Severity    Severity          `json:"severity"`
	Subject     string            `json:"subject"`
	Service     string            `json:"service,omitempty"`
	Summary     string            `json:"summary"`
	Description string            `json:"description,omitempty"`
	Value       *float64          `json:"value,omitempty"`
	At          time.Time         `json:"at"`
	Since       time.Time         `json:"since"`
	Event       uint64            `json:"event,omitempty"`      // number in the event history
	EventType   string            `json:"event_type,omitempty"` //
	Data        map[string]string `json:"data,omitempty"`       // of the event
	Reminder    bool              `json:"reminder,omitempty"`   // the alert fires still

	more bool // the alert fired already: it may wait for others
}

// alerts are all of them by key. Those in dirty changed since they were read from the store.
type alerts struct {
	all   map[string]*Alert
	dirty map[string]bool
}

func newAlerts() *alerts { return &alerts{map[string]*Alert{}, map[string]bool{}} }

// clone is a copy whose changes leave the original alone.
func (s *alerts) clone() *alerts {
	c := newAlerts()
	for k, a := range s.all {
		c.all[k] = a
	}
	return c
}

// edit returns a copy of an alert that may be changed, a new one where there is none.
func (s *alerts) edit(rule, subject string) *Alert {
	key := alertKey(rule, subject)
	a := &Alert{Rule: rule, Subject: subject}
	if old := s.all[key]; old != nil {
		if s.dirty[key] {
			return old
		}
		c := *old
		a = &c
	}
	s.all[key], s.dirty[key] = a, true
	return a
}

func (s *alerts) get(rule, subject string) *Alert { return s.all[alertKey(rule, subject)] }

func (s *alerts) firing(rule, subject string) bool {
	a := s.get(rule, subject)
	return a != nil && a.State == Firing
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
