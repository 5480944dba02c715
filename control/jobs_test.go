package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The clock of a bubble begins at 2000-01-01 00:00 UTC.

func TestJobRunsOnItsSchedule(t *testing.T) {
	bubble(t, map[string]string{
		"cron": `{"type": "job", "schedule": {"cron": "*/10 * * * *", "timezone": "UTC"}}`, "every": `{"type": "job", "schedule": {"every": "25m"}}`,
		"once": `{"type": "job", "schedule": {"at": "2000-01-01T00:30:00Z"}}`, "hand": `{"type": "job"}`,
	}, func(r *rig) {
		for _, n := range []string{"cron", "every", "once", "hand"} {
			r.f.does(n, behaviour{life: time.Minute})
		}
		if next := r.status("cron").Job.NextRun; !next.Equal(r.f.begin.Add(10 * time.Minute)) {
			t.Errorf("next run at %s", next)
		}
		r.wait(time.Hour + 30*time.Second)
		var got []string
		for l := range strings.FieldsSeq(r.f.launches()) {
			got = append(got, l)
		}
		want := "cron@10m0s cron@20m0s every@25m0s cron@30m0s cron@40m0s cron@50m0s every@50m0s cron@1h0m0s once@30m0s"
		for _, w := range strings.Fields(want) {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
				t.Errorf("no launch %s in %v", w, got)
			}
		}
		if len(got) != 9 {
			t.Errorf("launches: %v, want %s", got, want)
		}
		st := r.status("cron")
		if st.State != Running || st.Wanted || st.Job.Results[ResultSuccess] != 5 || !st.Job.LastSuccess.Equal(r.f.begin.Add(51*time.Minute)) {
			t.Errorf("%+v %+v", st, st.Job)
		}
		if next := r.status("once").Job.NextRun; !next.IsZero() {
			t.Errorf("a one-shot is due again at %s", next)
		}
		r.must("start hand")
		r.wait(2 * time.Minute)
		if got := r.results("hand"); got != "command:success" {
			t.Errorf("by hand: %q", got)
		}
		if got := r.results("once"); got != "schedule:success" {
			t.Errorf("once: %q", got)
		}
		r.must("start every", "stop every")
		if got := r.results("every"); got != "schedule:success schedule:success command:stopped" {
			t.Errorf("cancelled: %q", got)
		}
	})
}

func TestOverlapRules(t *testing.T) {
	for rule, want := range map[string]string{
		// Every 10 minutes, a run takes 25; looked at after 62 minutes.
		"skip":    "@10m0s @40m0s | schedule:success schedule:running | skipped 4 queued 0",
		"queue":   "@10m0s @35m0s @1h0m0s | schedule:success queue:success queue:running | skipped 0 queued 3",
		"replace": "@10m0s @20m0s @30m0s @40m0s @50m0s @1h0m0s | schedule:stopped schedule:stopped schedule:stopped schedule:stopped schedule:stopped schedule:running | skipped 0 queued 0",
	} {
		t.Run(rule, func(t *testing.T) {
			bubble(t, map[string]string{"j": `{"type": "job", "schedule": {"every": "10m", "overlap": "` + rule + `"}}`}, func(r *rig) {
				r.f.does("j", behaviour{life: 25 * time.Minute})
				r.wait(62 * time.Minute)
				st := r.status("j")
				got := fmt.Sprintf("%s | %s | skipped %d queued %d", strings.ReplaceAll(r.f.launches(), "j@", "@"), r.results("j"), st.Job.Results[ResultSkipped], st.Job.Queued)
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		})
	}
}

func TestCatchUpAfterDowntime(t *testing.T) {
	for rule, want := range map[string]int{"none": 0, "once": 1, "all": 6} {
		t.Run(rule, func(t *testing.T) {
			bubble(t, map[string]string{"j": `{"type": "job", "schedule": {"cron": "*/10 * * * *", "timezone": "UTC", "overlap": "queue", "catch_up": "` + rule + `"}}`}, func(r *rig) {
				r.f.does("j", behaviour{life: time.Second})
				r.wait(5 * time.Minute)
				r.restart(func() { time.Sleep(time.Hour) }) // from 0:05 to 1:05
				r.wait(time.Minute)
				if n := r.f.times("j"); n != want {
					t.Errorf("%d runs were made up for, want %d", n, want)
				}
				r.restart(nil)
				r.wait(time.Minute)
				if n := r.f.times("j"); n != want {
					t.Errorf("%d runs after a second restart, want %d", n, want)
				}
				if next := r.status("j").Job.NextRun; !next.Equal(r.f.begin.Add(70 * time.Minute)) {
					t.Errorf("next run at %s", next)
				}
			})
		})
	}
}

func TestJobTimeoutAndRetries(t *testing.T) {
	bubble(t, map[string]string{
		"slow": `{"type": "job", "schedule": {"every": "1h", "timeout": "5m"}}`, "flaky": `{"type": "job", "schedule": {"every": "1h", "retries": 2}, "restart": {"jitter": 0}}`,
		"bad": `{"type": "job", "schedule": {"every": "1h", "retries": 2}, "restart": {"jitter": 0}}`,
	}, func(r *rig) {
		r.f.does("flaky", behaviour{life: time.Second, code: 1}, behaviour{life: time.Second})
		r.f.does("bad", behaviour{life: time.Second, code: 4})
		r.wait(time.Hour + 10*time.Minute)
		for name, want := range map[string]string{"slow": "schedule:timeout", "flaky": "schedule:failure retry:success", "bad": "schedule:failure retry:failure retry:failure"} {
			if got := r.results(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		r.is("slow failed flaky exited bad failed")
		r.wait(time.Hour)
		if got := r.results("bad"); got != "schedule:failure retry:failure retry:failure schedule:failure retry:failure retry:failure" {
			t.Errorf("the next time it is tried as often: %q", got)
		}
	})
}

func TestARunThatOutlivedTheDaemonGoesOn(t *testing.T) {
	bubble(t, map[string]string{"j": `{"type": "job", "schedule": {"every": "1h", "timeout": "30m"}}`}, func(r *rig) {
		r.wait(time.Hour + time.Minute)
		r.restart(func() { time.Sleep(10 * time.Minute) })
		r.is("j running")
		r.wait(18*time.Minute + 30*time.Second)
		r.is("j running")
		r.wait(time.Minute) // its time counts from its beginning
		r.is("j failed")
		if got := r.results("j"); got != "schedule:timeout" {
			t.Errorf("runs: %q", got)
		}
	})
}

func TestRunsAreKeptByCountAndAge(t *testing.T) {
	bubble(t, map[string]string{"j": `{"type": "job", "schedule": {"every": "10m", "keep": 5}}`, "old": `{"type": "job", "schedule": {"every": "1d", "keep_for": "2d12h"}}`}, func(r *rig) {
		r.f.does("j", behaviour{life: time.Second})
		r.f.does("old", behaviour{life: time.Second})
		r.wait(5*24*time.Hour + 30*time.Second)
		for name, want := range map[string]int{"j": 5, "old": 3} {
			if all, err := r.Runs(r.t.Context(), name, "", 0); err != nil || len(all) != want {
				t.Errorf("%s: %d runs kept, %v, want %d", name, len(all), err, want)
			}
		}
		page, err := r.Runs(r.t.Context(), "j", "", 2)
		if err != nil || len(page) != 2 {
			t.Fatal(page, err)
		}
		next, err := r.Runs(r.t.Context(), "j", page[1].ID, 2)
		if err != nil || len(next) != 2 || !next[0].StartedAt.Before(page[1].StartedAt) {
			t.Errorf("second page: %v, %v", next, err)
		}
		if n := r.status("j").Job.Results[ResultSuccess]; n != 720 {
			t.Errorf("counted %d runs, want 720: counting must not depend on keeping", n)
		}
	})
}

func TestScheduleIsForJobs(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		_, err := r.Create(r.t.Context(), parsed(t, "x", `{"schedule": {"every": "1h"}}`), "tester")
		if !errors.Is(err, ErrInvalid) || err.Error() != "schedule: is for type: job" {
			t.Errorf("got %v", err)
		}
	})
}
