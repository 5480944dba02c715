package notify

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/control"
	"controlcenter/exporter"
	"controlcenter/internal/event"
)

// bench drives the policy as the notifier does, without a store.
type bench struct {
	t     *testing.T
	st    Settings
	p     *policy
	all   *alerts
	mutes []Mute
	seq   uint64
	rows  []Delivery
}

func newBench(t *testing.T, change ...func(*Settings)) *bench {
	st := DefaultSettings()
	for _, f := range change {
		f(&st)
	}
	if err := st.Check(); err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, st: st, p: newPolicy(time.Now(), &st), all: newAlerts()}
}

func (b *bench) gate(items []Item) []Item {
	now := time.Now()
	pass := b.p.gate(now, items, b.st.muting(now, b.mutes), b.all)
	tidy(now, b.all)
	clear(b.all.dirty)
	for _, d := range b.st.route(now, pass, b.rows) {
		if d.ID == 0 {
			d.ID = uint64(len(b.rows) + 1)
			b.rows = append(b.rows, *d)
			continue
		}
		b.rows[d.ID-1] = *d
	}
	return pass
}

func (b *bench) event(kind, subject string, data ...string) []Item {
	b.seq++
	row := event.Row{Seq: b.seq, At: time.Now(), Type: kind, Subject: subject, Title: subject + " " + kind, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		row.Data[data[i]] = data[i+1]
	}
	return b.gate(b.p.event(&row, b.all))
}

// look waits d, looking as often as the notifier does, and returns what was told.
func (b *bench) look(d time.Duration, read func() *Reading) (out []Item) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(lookTime)
		now := time.Now()
		items := b.p.look(now, read(), b.all)
		out = append(out, b.gate(append(items, b.p.remind(now, b.st.Repeat, items, b.all)...))...)
	}
	return out
}

func brief(items []Item) string {
	var out []string
	for _, it := range items {
		s := it.Rule + " " + it.Status
		if it.Subject != "" {
			s += " " + it.Subject
		}
		if it.Reminder {
			s += " again"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (b *bench) want(items []Item, want string) {
	b.t.Helper()
	if got := brief(items); got != want {
		b.t.Errorf("told %q, want %q", got, want)
	}
}

func status(id string, s control.State) *control.Status {
	return &control.Status{ID: id, Key: control.Key(id), Spec: &control.Spec{ID: id, DisplayName: id}, State: s, Since: time.Now(), Wanted: true}
}

func snapshot(values ...any) *exporter.Snapshot {
	s := &exporter.Snapshot{At: time.Now()}
	for _, v := range values {
		s.Readings = append(s.Readings, exporter.Reading{Name: strings.TrimPrefix(fmt.Sprintf("%T", v), "*exporter."), Value: v, At: time.Now(), Every: time.Minute, Attempted: time.Now()})
	}
	return s
}

func cpuAt(ratio float64) func() *Reading {
	return func() *Reading { return &Reading{Machine: snapshot(&exporter.CPU{UsageRatio: ratio})} }
}

func nothing() *Reading { return &Reading{} }

func TestEachCrashIsToldAndTheAlertEndsWhenTheServiceStaysUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.want(b.event("service.crashed", "web"), "service_crashed firing web")
		b.want(b.event("service.up", "web"), "")
		b.want(b.event("service.crashed", "web"), "service_crashed firing web")
		if a := b.all.get("service_crashed", "web"); a.Count != 2 || a.State != Firing {
			t.Errorf("got %+v", a)
		}
		up := status("web", control.Running)
		read := func() *Reading { return &Reading{Services: []*control.Status{up}} }
		b.want(b.look(calm-lookTime, read), "")
		b.want(b.look(2*lookTime, read), "service_crashed resolved web")
	})
}

func TestCrashLoopFiresAboveItsLimitOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.Disable = []string{"service_crashed"} })
		for range 3 {
			b.want(b.event("service.crashed", "web"), "")
			time.Sleep(6 * time.Minute) // three in 15 minutes at most
		}
		b.want(b.event("service.crashed", "web"), "")
		time.Sleep(time.Minute)
		b.want(b.event("service.crashed", "web"), "service_crash_loop firing web")
		b.want(b.event("service.crashed", "web"), "")
		b.want(b.event("service.crashed", "db"), "")
		b.want(b.look(loopWindow-lookTime, nothing), "")
		b.want(b.look(3*lookTime, nothing), "service_crash_loop resolved web")
	})
}

func TestFailedServiceFiresUntilSomebodyActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.want(b.event("service.failed", "web"), "service_failed firing web")
		st := status("web", control.Failed)
		read := func() *Reading { return &Reading{Services: []*control.Status{st}} }
		b.want(b.look(time.Hour, read), "")
		b.want(b.look(3*time.Hour, read), "service_failed firing web again")
		st = status("web", control.Running)
		b.want(b.look(lookTime, read), "service_failed resolved web")
	})
}

func TestJobsAreNoServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) { s.Enable = []string{"job_completed"} })
		b.want(b.event("service.crashed", "backup", "type", "job", "result", "failure"), "job_failed firing backup")
		b.want(b.event("service.failed", "backup", "type", "job"), "") // the same once more, and its next run is due
		b.want(b.event("service.stopped", "report", "type", "job", "result", "timeout"), "job_failed firing report")
		b.want(b.event("service.stopped", "report", "type", "job", "result", "stopped"), "")
		b.want(b.event("service.exited", "backup", "type", "job", "result", "success"), "job_completed firing backup")
		b.want(b.event("service.exited", "web", "type", "service", "result", "success"), "")
		time.Sleep(time.Minute)
		good := status("backup", control.Exited)
		good.Job = &control.JobStatus{LastSuccess: time.Now()}
		late := status("report", control.Exited)
		late.Job = &control.JobStatus{NextRun: time.Now()}
		read := func() *Reading { return &Reading{Services: []*control.Status{good, late}} }
		b.want(b.look(lookTime, read), "job_failed resolved backup")
		b.want(b.look(7*time.Minute, read), "job_overdue firing report")
	})
}

func TestThresholdHoldsForItsTimeAndEndsBelowItsSlack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.want(b.look(9*time.Minute, cpuAt(0.85)), "")
		if p := b.p.pending["cpu_high/"]; p == nil || p.State != Pending {
			t.Errorf("pending: %+v", p)
		}
		b.want(b.look(lookTime, cpuAt(0.5)), "")
		b.want(b.look(9*time.Minute, cpuAt(0.85)), "") // counted anew
		b.want(b.look(2*time.Minute, cpuAt(0.85)), "cpu_high firing")
		b.want(b.look(10*time.Minute, cpuAt(0.77)), "") // hysteresis
		b.want(b.look(10*time.Minute, nothing), "")     // nobody knows
		b.want(b.look(settle, cpuAt(0.74)), "")
		b.want(b.look(lookTime, cpuAt(0.74)), "cpu_high resolved")
	})
}

func TestWorseAlertSilencesTheMilder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.want(b.look(30*time.Minute, cpuAt(0.99)), "cpu_critical firing")
		if !b.all.firing("cpu_high", "") {
			t.Error("the milder alert is not shown")
		}
		b.want(b.look(5*time.Minute, cpuAt(0.85)), "cpu_critical resolved, cpu_high firing")
	})
}

func TestMuteAndMaintenanceSilenceAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC() // midnight of the bubble
		b := newBench(t, func(s *Settings) {
			s.Windows = []Window{{Cron: "0 3 * * *", Timezone: "UTC", Duration: time.Hour, Services: []string{"db"}}}
		})
		b.mutes = []Mute{{Service: "web", Until: now.Add(time.Hour)}}
		b.want(b.event("service.failed", "web"), "")
		b.want(b.event("service.failed", "other"), "service_failed firing other")
		failed := []*control.Status{status("web", control.Failed), status("db", control.Failed)}
		read := func() *Reading { return &Reading{Services: failed} }
		b.want(b.look(59*time.Minute, read), "service_failed resolved other")
		b.want(b.look(2*time.Minute, read), "service_failed firing web") // the mute has ended, it fires still
		b.want(b.event("service.failed", "db"), "service_failed firing db")
		time.Sleep(time.Until(now.Add(3*time.Hour + 30*time.Minute)))
		b.want(b.event("service.crashed", "db"), "")
		b.want(b.event("service.crashed", "web"), "service_crashed firing web")
		// What began and ended while it was muted is never told.
		failed = []*control.Status{status("web", control.Failed), status("db", control.Stopped)}
		b.want(b.look(20*time.Minute, func() *Reading { return &Reading{Services: failed} }), "")
	})
}

func TestTemperatureDiskAndPortRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		web := status("web", control.Running)
		web.Spec.Ports = []uint16{80, 81}
		free := 100e9
		read := func() *Reading {
			free -= 100e9 / (12 * 360) // full in 12 hours
			return &Reading{Services: []*control.Status{web}, Machine: snapshot(
				&exporter.Sensors{Temperatures: []exporter.Temperature{{Chip: "a", Name: "cool", Celsius: 60, CriticalCelsius: 100}, {Chip: "b", Name: "ssd", Celsius: 70, CriticalCelsius: 72}}},
				&exporter.Filesystems{List: []exporter.Filesystem{{Device: "/dev/a", Mountpoint: "/", UsedRatio: 0.6, AvailableBytes: free}, {Device: "/dev/b", Mountpoint: "/data", UsedRatio: 0.93, AvailableBytes: 1e9}, {Device: "/dev/c", Mountpoint: "/ro", UsedRatio: 1, ReadOnly: true}}},
				&exporter.Ports{List: []exporter.Port{{Port: 80}}},
			)}
		}
		got := b.look(3*time.Hour, read)
		var rules []string
		for _, it := range got {
			rules = append(rules, it.Rule+" "+it.Subject)
		}
		slices.Sort(rules)
		want := []string{"disk_critical /data", "disk_full_soon /", "port_not_listening web:81", "temperature_high b/ssd"}
		if !slices.Equal(rules, want) {
			t.Errorf("got %q, want %q", rules, want)
		}
	})
}

func TestOverridesAndSwitches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(s *Settings) {
			s.Defaults, s.Enable = false, []string{"cpu_high", "service_crashed"}
			s.Overrides = map[string]Override{"cpu_high": {Severity: Critical, For: time.Minute, Limit: 0.5}}
		})
		got := b.look(2*time.Minute, cpuAt(0.6))
		b.want(got, "cpu_high firing")
		if len(got) > 0 && got[0].Severity != Critical {
			t.Errorf("severity %s", got[0].Severity)
		}
		b.want(b.event("service.failed", "web"), "")
		off := DefaultSettings()
		off.Disable = []string{"cpu_high"}
		b.p.apply(&off)
		b.want(b.look(time.Minute, cpuAt(0.6)), "")
		if b.all.firing("cpu_high", "") {
			t.Error("an alert of a rule that is off fires")
		}
	})
}

func TestSettingsNameWhatIsWrong(t *testing.T) {
	for want, st := range map[string]Settings{
		"notify.rules.enable: no rule \"x\"":                {Enable: []string{"x"}},
		"notify.rules.override.keeper_lost.limit":           {Overrides: map[string]Override{"keeper_lost": {Limit: 2}}},
		"notify.channels.a.url: no channel has the scheme":  {Channels: []ChannelSettings{{Name: "a", URL: "gopher://x"}}},
		"notify.channels.a.rules: no rule \"y\"":            {Channels: []ChannelSettings{{Name: "a", URL: "http://x", Rules: []string{"y"}}}},
		"notify.channels.a b: is no name":                   {Channels: []ChannelSettings{{Name: "a b", URL: "http://x"}}},
		"notify.maintenance[0].cron":                        {Windows: []Window{{Cron: "nonsense"}}},
		"notify.channels.t.url: has no bot token; accepted": {Channels: []ChannelSettings{{Name: "t", URL: "telegram://hush@telegram?chats=1"}}},
	} {
		err := st.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

// The rules are documented by their table.
func TestRulesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Name] || r.Summary == "" || r.Severity == "" || (r.on == nil) == (r.check == nil) {
			t.Errorf("rule %q is not complete or stands twice", r.Name)
		}
		if r.check != nil && r.Limit == 0 {
			t.Errorf("rule %q has no limit: everything is an alert", r.Name)
		}
		if r.Covers != "" && !seen[r.Covers] {
			t.Errorf("rule %q covers %q, which does not stand before it", r.Name, r.Covers)
		}
		seen[r.Name] = true
	}
}

var update = flag.Bool("update", false, "write docs/notifications-rules.md anew")

func TestRulesDocIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rules of notifications\n\nGenerated from the code by `make docs`; a test keeps it current. [notifications.md](notifications.md) tells how to change them.\n\n" +
		"| rule | severity | lasts for | limit | what | |\n|---|---|---|---|---|---|\n")
	for _, r := range Rules() {
		lasts, limit := "", ""
		if r.For > 0 {
			lasts = durationText(r.For)
		}
		if r.Unit != "" {
			limit = fmt.Sprintf("%.10g %s", r.Limit, r.Unit)
			if r.Below {
				limit = "below " + limit
			}
		}
		what := r.Summary
		if r.Off {
			what += " (off)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", r.Name, r.Severity, lasts, limit, what, r.Description)
	}
	const path = "../../docs/notifications-rules.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != b.String() {
		t.Errorf("%s is not current: run make docs (%v)", path, err)
	}
}
