package notify

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"controlcenter/internal/event"
)

const (
	settle    = 30 * time.Second // an alert over readings ends when nothing was found for so long
	minAge    = 10 * time.Second // an alert that an event began does not end before: the status it tells of may not be published yet
	keepEnded = 24 * time.Hour   // alerts that are over are shown for so long
	maxEnded  = 1000             // at most
	maxTimes  = 100              // of hits that are counted
	maxText   = 600              // bytes of a summary or description
	maxData   = 16               // entries of an event's data that go along
	dataValue = 200              // bytes of each
	never     = 0 * time.Second  // a repeat interval of it: nobody is reminded
	oneLook   = 2 * time.Minute  // looks that are further apart than this prove nothing about the time between
)

// policy is what rules, mutes and their like decide. It has no clock, goroutine or store; one goroutine uses it.
type policy struct {
	rules  []Rule // in force, with overrides
	byName map[string]*Rule
	cover  map[string]string // rule -> the rule that silences it
	mem    memory

	found   map[string]time.Time // pending alerts: since when
	pending map[string]*Alert    // the same, to be shown
	gone    map[string]time.Time // firing alerts over readings of which nothing was found, since when
	looked  time.Time
}

func newPolicy(now time.Time, st *Settings) *policy {
	p := &policy{found: map[string]time.Time{}, pending: map[string]*Alert{}, gone: map[string]time.Time{}}
	p.mem = memory{started: now, disks: map[string]*trend{}}
	p.apply(st)
	return p
}

// apply puts other settings in force; what was found stays found.
func (p *policy) apply(st *Settings) {
	p.rules, p.byName, p.cover = nil, map[string]*Rule{}, map[string]string{}
	for _, r := range Rules() {
		if !st.enabled(&r) {
			continue
		}
		o := st.Overrides[r.Name]
		r.Severity, r.For, r.Limit = cmp.Or(o.Severity, r.Severity), cmp.Or(o.For, r.For), cmp.Or(o.Limit, r.Limit)
		p.rules = append(p.rules, r)
	}
	for i := range p.rules {
		r := &p.rules[i]
		p.byName[r.Name] = r
		if r.Covers != "" {
			p.cover[r.Covers] = r.Name
		}
	}
	for key, a := range p.pending {
		if p.byName[a.Rule] == nil {
			p.forget(key)
		}
	}
}

func (p *policy) forget(key string) {
	delete(p.found, key)
	delete(p.pending, key)
}

// wants says whether any rule would say something about the event.
func (p *policy) wants(row *event.Row) bool {
	for i := range p.rules {
		if r := &p.rules[i]; r.on != nil && r.on(row) != nil {
			return true
		}
	}
	return false
}

// event applies the rules to one row of the history and returns what there is to tell.
func (p *policy) event(row *event.Row, all *alerts) (items []Item) {
	for i := range p.rules {
		r := &p.rules[i]
		if r.on == nil {
			continue
		}
		f := r.on(row)
		if f == nil {
			continue
		}
		a := all.edit(r.Name, f.subject)
		was := a.State == Firing
		if !was && a.State != watching {
			*a = Alert{Rule: a.Rule, Subject: a.Subject, Times: a.Times} // it was over: it begins anew
		}
		a.Last, a.Service, a.Severity = row.At, f.service, levelOr(f, r.Severity)
		a.Count++
		a.Summary, a.Description = clip(f.summary, maxText), clip(cmp.Or(f.text, r.Description), maxText)
		if r.window > 0 {
			a.Times = append(slices.Clone(a.Times), row.At)
			a.Times = slices.DeleteFunc(a.Times, func(t time.Time) bool { return row.At.Sub(t) > r.window })
			a.Times = a.Times[max(len(a.Times)-maxTimes, 0):]
			if !was && float64(len(a.Times)) <= r.Limit {
				a.State = watching
				continue
			}
			a.Value = number(float64(len(a.Times)))
			a.Summary = clip(fmt.Sprintf("%s: %d times in %s", f.summary, len(a.Times), durationText(r.window)), maxText)
		}
		if !was {
			a.State, a.Since, a.EndedAt, a.Told = Firing, row.At, nil, nil
		}
		it := itemOf(a)
		it.ID, it.At, it.Event, it.EventType, it.Data, it.more = fmt.Sprintf("%s/event/%d", r.Name, row.Seq), row.At, row.Seq, row.Type, clipData(row.Data), was
		if r.window > 0 && was {
			continue // the crash itself is told by another rule
		}
		if r.clears == nil {
			end := row.At
			a.State, a.EndedAt = Resolved, &end
		}
		items = append(items, it)
	}
	return items
}

func itemOf(a *Alert) Item {
	return Item{
		ID:     fmt.Sprintf("%s/%d/%s", a.key(), a.Since.UnixMilli(), a.State),
		Status: Firing, Rule: a.Rule, Severity: a.Severity, Subject: a.Subject, Service: a.Service, Summary: a.Summary, Description: a.Description,
		Value: a.Value, At: a.Last, Since: a.Since,
	}
}

// look applies the rules to a reading and returns what there is to tell.
func (p *policy) look(now time.Time, r *Reading, all *alerts) (items []Item) {
	p.mem.now = now
	if !p.looked.IsZero() && now.Sub(p.looked) > oneLook { // the machine slept, or the process stood still
		clear(p.found)
		clear(p.gone)
	}
	p.looked = now
	for i := range p.rules {
		if rule := &p.rules[i]; rule.check != nil {
			items = append(items, p.lookAt(now, rule, r, all)...)
		}
	}
	return append(items, p.ends(now, r, all)...)
}

func (p *policy) lookAt(now time.Time, rule *Rule, r *Reading, all *alerts) (items []Item) {
	findings, known := rule.check(&p.mem, r)
	if !known {
		return nil
	}
	seen := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		key := alertKey(rule.Name, f.subject)
		seen[key] = true
		if math.IsNaN(f.value) {
			continue // nobody can tell: it stays what it is
		}
		over, under := rule.compare(f)
		switch firing := all.firing(rule.Name, f.subject); {
		case firing && under:
			items = append(items, p.end(now, rule.Name, f.subject, all)...)
		case firing:
			delete(p.gone, key)
		case !over:
			p.forget(key)
		default:
			since, ok := p.found[key]
			if !ok {
				since = now
				p.found[key] = now
			}
			a := &Alert{
				Rule: rule.Name, Severity: levelOr(f, rule.Severity), Subject: f.subject, Service: f.service, State: Pending, Since: since, Last: now,
				Value: number(f.value), Summary: clip(f.summary, maxText), Description: clip(cmp.Or(f.text, rule.Description), maxText), Count: 1,
			}
			if now.Sub(since) < rule.For {
				p.pending[key] = a
				continue
			}
			p.forget(key)
			a.State = Firing
			*all.edit(rule.Name, f.subject) = *a
			items = append(items, itemOf(a))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all.all)) { // subjects that are no more
		if a := all.all[key]; a.Rule == rule.Name && a.State == Firing && !seen[key] {
			items = append(items, p.end(now, a.Rule, a.Subject, all)...)
		}
	}
	for key, a := range p.pending {
		if a.Rule == rule.Name && !seen[key] {
			p.forget(key)
		}
	}
	return items
}

// compare says whether a finding is an alert, and whether it is so far from one that an alert is over.
func (r *Rule) compare(f *finding) (over, under bool) {
	limit := cmp.Or(f.limit, r.Limit)
	if r.Below {
		return f.value <= limit, f.value > limit+r.Slack
	}
	return f.value >= limit, f.value < limit-r.Slack
}

// end ends an alert over readings when nothing was found for settle.
func (p *policy) end(now time.Time, rule, subject string, all *alerts) []Item {
	key := alertKey(rule, subject)
	since, ok := p.gone[key]
	if !ok {
		p.gone[key] = now
		return nil
	}
	if now.Sub(since) < settle {
		return nil
	}
	delete(p.gone, key)
	return []Item{p.over(now, all.edit(rule, subject))}
}

// over makes an alert one that is over.
func (p *policy) over(now time.Time, a *Alert) Item {
	a.State, a.EndedAt, a.Times = Resolved, &now, nil
	it := itemOf(a)
	it.Status, it.At = Resolved, now
	return it
}

// ends ends alerts that events began, and those of rules that are no longer in force.
func (p *policy) ends(now time.Time, r *Reading, all *alerts) (items []Item) {
	for _, key := range slices.Sorted(maps.Keys(all.all)) {
		a := all.all[key]
		if a.State != Firing {
			continue
		}
		rule := p.byName[a.Rule]
		switch {
		case rule == nil:
			p.over(now, all.edit(a.Rule, a.Subject)) // nobody asked to hear of it
		case rule.clears != nil && now.Sub(a.Last) >= minAge && rule.clears(r, a, now):
			items = append(items, p.over(now, all.edit(a.Rule, a.Subject)))
		}
	}
	return items
}

// remind returns items for alerts that fire and of which people were told long ago, or not at all because they were muted.
// Those that are in told are told at this moment.
func (p *policy) remind(now time.Time, every time.Duration, told []Item, all *alerts) (items []Item) {
	for _, key := range slices.Sorted(maps.Keys(all.all)) {
		a := all.all[key]
		if a.State != Firing || a.Told != nil && (every == never || now.Sub(*a.Told) < every) {
			continue
		}
		if slices.ContainsFunc(told, func(it Item) bool { return it.Rule == a.Rule && it.Subject == a.Subject }) {
			continue
		}
		it := itemOf(a)
		it.ID, it.At, it.Reminder = fmt.Sprintf("%s/%d", it.ID, now.UnixMilli()), now, a.Told != nil
		items = append(items, it)
	}
	return items
}

// gate keeps what is muted or covered from being told, and notes in the alerts what is told.
func (p *policy) gate(now time.Time, items []Item, muted func(rule, service string) bool, all *alerts) (pass []Item) {
	for _, it := range items {
		cover := p.cover[it.Rule]
		silent := muted(it.Rule, it.Service) || cover != "" && all.firing(cover, it.Subject)
		a := all.get(it.Rule, it.Subject)
		if a == nil {
			continue
		}
		if it.Status == Resolved {
			if a.Told != nil && !silent { // else nobody knows that it began
				pass = append(pass, it)
			}
			continue
		}
		if silent {
			if !a.Muted {
				all.edit(it.Rule, it.Subject).Muted = true
			}
			continue
		}
		a = all.edit(it.Rule, it.Subject)
		a.Muted, a.Told = false, &now
		pass = append(pass, it)
	}
	return pass
}

// tidy forgets alerts that have been over for long, and counts that have run out.
func tidy(now time.Time, all *alerts) (drop []string) {
	var ended []*Alert
	for key, a := range all.all {
		switch {
		case a.State == watching && now.Sub(a.Last) > loopWindow,
			a.State == Resolved && now.Sub(*a.EndedAt) > keepEnded:
			drop = append(drop, key)
		case a.State == Resolved:
			ended = append(ended, a)
		}
	}
	slices.SortFunc(ended, func(a, b *Alert) int { return b.EndedAt.Compare(*a.EndedAt) })
	for _, a := range ended[min(len(ended), maxEnded):] {
		drop = append(drop, a.key())
	}
	for _, key := range drop {
		delete(all.all, key)
		delete(all.dirty, key)
	}
	return drop
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xc0 == 0x80 { // never inside a character
		most--
	}
	return s[:most] + "…"
}

func clipData(data map[string]string) map[string]string {
	if len(data) == 0 {
		return nil
	}
	out := make(map[string]string, min(len(data), maxData))
	for _, k := range slices.Sorted(maps.Keys(data)) {
		if len(out) == maxData {
			break
		}
		out[k] = clip(data[k], dataValue)
	}
	return out
}
