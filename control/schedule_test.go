package control

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"controlcenter/internal/unit"
)

func TestNextRunAcrossClockChanges(t *testing.T) {
	// Berlin: 2026-03-29 02:00 -> 03:00, 2026-10-25 03:00 -> 02:00. New York: 2026-03-08, 2026-11-01.
	for _, c := range []struct{ name, cron, zone, from, want string }{
		{"ordinary", "0 9 * * MON", "Europe/Berlin", "2026-01-01T00:00:00+01:00", "2026-01-05T09:00:00+01:00 2026-01-12T09:00:00+01:00"},
		{"over the change", "0 9 * * *", "Europe/Berlin", "2026-03-28T10:00:00+01:00", "2026-03-29T09:00:00+02:00 2026-03-30T09:00:00+02:00"},
		{"a skipped time runs late", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:30:00+02:00 2026-03-30T02:30:00+02:00"},
		{"a skipped and its stand-in run once", "30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00+01:00", "2026-03-29T03:30:00+02:00 2026-03-30T02:30:00+02:00"},
		{"asked within the stand-in hour", "30 2 * * *", "Europe/Berlin", "2026-03-29T03:10:00+02:00", "2026-03-29T03:30:00+02:00"},
		{"a doubled time runs once", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
		{"asked between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", "2026-10-26T02:30:00+01:00"},
		{"every quarter through spring", "*/15 * * * *", "America/New_York", "2026-03-08T01:40:00-05:00", "2026-03-08T01:45:00-05:00 2026-03-08T03:00:00-04:00"},
		{
			"every half hour through autumn", "*/30 * * * *", "America/New_York", "2026-11-01T01:00:00-04:00",
			"2026-11-01T01:30:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00 2026-11-01T02:00:00-05:00",
		},
		{"midnight that does not exist", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00-04:00", "2026-09-06T01:00:00-03:00 2026-09-07T00:00:00-03:00"},
		{"with seconds", "30 0 12 * * *", "UTC", "2026-01-01T12:00:30Z", "2026-01-02T12:00:30Z"},
		{"@daily", "@daily", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
		{"29 February", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			s := Schedule{Cron: c.cron, Timezone: c.zone}
			for want := range strings.FieldsSeq(c.want) {
				next := s.Next(at, at)
				if got := next.Format(time.RFC3339); got != want {
					t.Fatalf("after %s: got %s, want %s", at.Format(time.RFC3339), got, want)
				}
				at = next
			}
		})
	}
}

func TestNextRunIsAlwaysLater(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		s := Schedule{Cron: "7,37 0-4 * * *", Timezone: zone}
		at, n := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
		for at.Year() == 2026 {
			next := s.Next(at, at)
			if !next.After(at) || next.Sub(at) > 26*time.Hour {
				t.Fatalf("%s: %s after %s", zone, next, at)
			}
			at, n = next, n+1
		}
		// Ten a day, but for the first, which is cut by the offset, and the hour skipped in spring.
		if n < 3638 || n > 3651 {
			t.Errorf("%s: %d runs in a year, want about 3650", zone, n)
		}
	}
}

func TestIntervalsKeepTheirGridAndOnceIsOnce(t *testing.T) {
	anchor := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	every := Schedule{Every: unit.Duration(10 * time.Minute)}
	for after, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, 9 * time.Minute: 10 * time.Minute, 10 * time.Minute: 20 * time.Minute, 25 * time.Hour: 25*time.Hour + 10*time.Minute, -time.Hour: 0} {
		if got := every.Next(anchor.Add(after), anchor).Sub(anchor); got != want {
			t.Errorf("every 10m, after %s: got %s, want %s", after, got, want)
		}
	}
	once := Schedule{At: "2026-01-01T00:05:00Z"}
	if got := once.Next(anchor, anchor); got.Sub(anchor) != 5*time.Minute {
		t.Errorf("one-shot: got %s", got)
	}
	if got := once.Next(anchor.Add(5*time.Minute), anchor); !got.IsZero() {
		t.Errorf("one-shot after its time: got %s, want never", got)
	}
}

func FuzzCron(f *testing.F) {
	f.Add("0 9 * * MON", int64(1767225600))
	f.Add("30 2 * * *", int64(1774742400))
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expr string, unix int64) {
		p := Schedule{Cron: expr, Timezone: loc.String()}
		if _, err := p.check(); err != nil || expr == "" {
			return
		}
		at := time.Unix(unix%4e9, 0)
		if next := p.Next(at, at); !next.IsZero() && !next.After(at) {
			t.Errorf("%q: %s is not after %s", expr, next, at)
		}
	})
}
