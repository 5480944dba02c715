package notify

import (
	"fmt"
	"strings"
	"time"
)

// Message is what a channel sends.
type Message struct {
	Version  int       `json:"version"` // 1
	ID       string    `json:"id"`      // the same at each attempt
	Host     string    `json:"host"`
	Time     time.Time `json:"time"`
	Status   string    `json:"status"`   // firing, or resolved when all items are
	Severity Severity  `json:"severity"` // the highest of the items
	Title    string    `json:"title"`
	Text     string    `json:"text"` // for people, plain
	Held     bool      `json:"held"` // gathered through quiet hours
	Test     bool      `json:"test"`
	Items    []Item    `json:"items"`
}

// textMost bounds the text: the smallest of the chat services' limits (Telegram's 4,096) less what is put around it.
const textMost = 3500

func messageOf(d *Delivery, host string) *Message {
	m := &Message{Version: 1, ID: fmt.Sprintf("%s-%d", d.Channel, d.ID), Host: host, Time: d.Time, Status: Resolved, Severity: Info, Held: d.Held, Items: d.Items}
	for i := range d.Items {
		it := &d.Items[i]
		if it.Status != Resolved {
			m.Status = Firing
		}
		if it.Severity.atLeast(m.Severity) {
			m.Severity = it.Severity
		}
	}
	m.Title, m.Text = title(d, host, m), text(d)
	return m
}

func title(d *Delivery, host string, m *Message) string {
	word := strings.ToUpper(string(m.Severity))
	if m.Status == Resolved {
		word = "RESOLVED"
	}
	if d.Held {
		word = "QUIET HOURS, " + word
	}
	what := clip(d.Items[0].Summary, 120)
	if n := len(d.Items); n > 1 {
		what = fmt.Sprintf("%d notifications, first: %s", n, clip(d.Items[0].Summary, 80))
	}
	if host != "" {
		host = " on " + host
	}
	return fmt.Sprintf("[%s]%s %s", word, host, what)
}

// line is what items with the same text share.
type line struct {
	it    *Item
	count int
	last  time.Time
}

// text lists the items, those that say the same once with their number.
func text(d *Delivery) string {
	var lines []*line
	at := map[string]*line{}
	for i := range d.Items {
		it := &d.Items[i]
		key := it.Status + "/" + it.Rule + "/" + it.Subject + "/" + it.Summary
		if l := at[key]; l != nil {
			l.count++
			l.last = it.At
			continue
		}
		l := &line{it, 1, it.At}
		at[key] = l
		lines = append(lines, l)
	}
	var b strings.Builder
	for i, l := range lines {
		entry := l.String()
		if b.Len()+len(entry) > textMost {
			fmt.Fprintf(&b, "… and %d more", len(lines)-i)
			break
		}
		b.WriteString(entry)
	}
	return strings.TrimRight(b.String(), "\n")
}

// String is one or two lines.
func (l *line) String() string {
	it := l.it
	mark := map[Severity]string{Info: "INFO", Warning: "WARNING", Critical: "CRITICAL"}[it.Severity]
	switch {
	case it.Status == Resolved:
		mark = "RESOLVED"
	case it.Reminder:
		mark = "STILL " + mark
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", mark, it.Summary)
	if l.count > 1 {
		fmt.Fprintf(&b, " (%d times)", l.count)
	}
	when := l.last.UTC().Format("2006-01-02 15:04:05")
	if it.Status == Resolved && it.At.After(it.Since) {
		when += ", after " + durationText(it.At.Sub(it.Since).Round(time.Second))
	}
	fmt.Fprintf(&b, " [%s, %s UTC]\n", it.Rule, when)
	if it.Description != "" && it.Status != Resolved {
		fmt.Fprintf(&b, "  %s\n", it.Description)
	}
	return b.String()
}

// testMessage is what the test button sends.
func testMessage(channel, host string, now time.Time) *Message {
	d := &Delivery{Channel: channel, Time: now, Items: []Item{{
		ID: fmt.Sprintf("test/%d", now.UnixMilli()), Status: Firing, Rule: "test", Severity: Info, At: now, Since: now,
		Summary: "This is a test: the channel " + channel + " works",
	}}}
	m := messageOf(d, host)
	m.ID, m.Test = fmt.Sprintf("%s-test-%d", channel, now.UnixMilli()), true
	return m
}
