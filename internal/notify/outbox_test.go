package notify

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func withChannel(c ChannelSettings) func(*Settings) {
	return func(s *Settings) {
		c.URL = "http://127.0.0.1:9/"
		s.Channels = append(s.Channels, c)
	}
}

func TestCrashesWithinTheWaitAreOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, withChannel(ChannelSettings{Name: "ops"}), func(s *Settings) { s.Disable = []string{"service_crash_loop"} })
		begin := time.Now()
		for range 3 {
			b.event("service.crashed", "web")
			time.Sleep(time.Second)
		}
		if len(b.rows) != 1 || len(b.rows[0].Items) != 3 || b.rows[0].NotBefore.Sub(begin) != b.st.GroupWait {
			t.Fatalf("got %d messages, the first %+v", len(b.rows), b.rows[0])
		}
		text := messageOf(&b.rows[0], "host").Text
		if !strings.Contains(text, "(3 times)") || strings.Count(text, "service_crashed") != 1 {
			t.Errorf("got %s", text)
		}
		// It is being sent: what comes now is another message, and waits for more of its kind.
		b.rows[0].Sending = true
		b.event("service.crashed", "web")
		if len(b.rows) != 2 || time.Until(b.rows[1].NotBefore) != b.st.GroupInterval {
			t.Fatalf("got %+v", b.rows)
		}
		// News does not wait for it, and takes it along.
		b.event("service.failed", "db")
		if len(b.rows) != 2 || time.Until(b.rows[1].NotBefore) != b.st.GroupWait || len(b.rows[1].Items) != 2 {
			t.Errorf("got %+v", b.rows[1])
		}
	})
}

func TestStormFillsMessagesAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, withChannel(ChannelSettings{Name: "ops"}))
		for range 250 {
			b.event("service.crashed", "web")
		}
		told := map[string]bool{}
		for _, d := range b.rows {
			if len(d.Items) > maxItems {
				t.Errorf("%d items in a message", len(d.Items))
			}
			for _, it := range d.Items {
				told[it.ID] = true
			}
		}
		if len(told) != 251 { // and the loop
			t.Errorf("%d items told, want 251", len(told))
		}
	})
}

func TestChannelsTakeWhatTheyWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t,
			withChannel(ChannelSettings{Name: "critical", MinSeverity: Critical}),
			withChannel(ChannelSettings{Name: "web", Services: []string{"My_Web"}}),
			withChannel(ChannelSettings{Name: "rule", Rules: []string{"service_failed"}}))
		b.event("service.crashed", "my-web")
		b.event("service.failed", "db")
		got := map[string]string{}
		for _, d := range b.rows {
			got[d.Channel] = brief(d.Items)
		}
		for name, want := range map[string]string{"critical": "service_failed firing db", "web": "service_crashed firing my-web", "rule": "service_failed firing db"} {
			if got[name] != want {
				t.Errorf("%s got %q, want %q", name, got[name], want)
			}
		}
	})
}

func TestQuietHoursHoldAllButCriticalAndSummarise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at midnight UTC
		b := newBench(t, withChannel(ChannelSettings{Name: "ops"}), func(s *Settings) {
			q, err := ParseQuiet("22:00", "07:00", "UTC")
			if err != nil {
				t.Fatal(err)
			}
			s.Quiet = q
		})
		b.event("service.crashed", "web")
		time.Sleep(time.Hour)
		b.event("service.crashed", "db")
		b.event("service.failed", "db")
		if len(b.rows) != 2 {
			t.Fatalf("got %+v", b.rows)
		}
		held, now := b.rows[0], b.rows[1]
		if !held.Held || len(held.Items) != 2 || held.NotBefore.UTC().Format("15:04") != "07:00" {
			t.Errorf("held: %+v", held)
		}
		if now.Held || brief(now.Items) != "service_failed firing db" || time.Until(now.NotBefore) != b.st.GroupWait {
			t.Errorf("told at once: %+v", now)
		}
		if title := messageOf(&held, "").Title; !strings.HasPrefix(title, "[QUIET HOURS, WARNING] 2 notifications") {
			t.Errorf("title %q", title)
		}
		time.Sleep(7 * time.Hour)
		b.event("service.crashed", "other")
		if n := len(b.rows); n != 2 && b.rows[2].Held {
			t.Errorf("by day: %+v", b.rows)
		}
	})
}

func TestQuietHoursThroughTheDay(t *testing.T) {
	q, err := ParseQuiet("12:00", "13:30", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day := func(h, m int) time.Time { return time.Date(2026, 7, 1, h, m, 0, 0, q.Location) }
	for _, c := range []struct {
		h, m  int
		quiet bool
	}{{11, 59, false}, {12, 0, true}, {13, 29, true}, {13, 30, false}, {23, 0, false}} {
		if end, quiet := q.until(day(c.h, c.m)); quiet != c.quiet || quiet && !end.Equal(day(13, 30)) {
			t.Errorf("%02d:%02d: got %v until %v", c.h, c.m, quiet, end)
		}
	}
	if _, err := ParseQuiet("7 pm", "8:00", ""); err == nil || !strings.Contains(err.Error(), "notify.quiet_hours.from") {
		t.Errorf("got %v", err)
	}
}

func TestBackOffGrowsToItsCap(t *testing.T) {
	st := DefaultSettings()
	for attempts, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 12: 15 * time.Minute, 1000: 15 * time.Minute} {
		if got := st.retryAfter(attempts); got < want*8/10 || got > want*12/10 {
			t.Errorf("after %d attempts: %s, want about %s", attempts, got, want)
		}
	}
}

func TestLongTextIsCutForChats(t *testing.T) {
	d := &Delivery{Channel: "ops"}
	for i := range 100 {
		d.Items = append(d.Items, Item{Status: Firing, Severity: Warning, Rule: "service_crashed", Summary: strings.Repeat("ü", 100) + string(rune('A'+i)), Description: strings.Repeat("x", 500)})
	}
	m := messageOf(d, "host")
	if len(m.Text) > textMost+100 || !strings.Contains(m.Text, " more") || len(m.Items) != 100 {
		t.Errorf("%d bytes, ends in %q", len(m.Text), m.Text[len(m.Text)-40:])
	}
}
