package store

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// counterValue reads one series without labels from the store's metrics.
func counterValue(t testing.TB, s *Store, name string) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestRunsTellWhetherTheLastStopWasClean(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	id, err := s.BeginRun(t.Context(), "1.0")
	if err != nil || id != 1 {
		t.Fatalf("BeginRun = %d, %v", id, err)
	}
	if err := s.EndRun(t.Context(), "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()

	s = openTest(t, Options{Dir: dir})
	if _, err := s.BeginRun(t.Context(), "1.1"); err != nil {
		t.Fatal(err)
	}
	_ = s.Close() // no EndRun: as if killed

	s = openTest(t, Options{Dir: dir})
	if _, err := s.BeginRun(t.Context(), "1.2"); err != nil {
		t.Fatal(err)
	}
	runs, err := s.LastRuns(t.Context(), 10)
	if err != nil || len(runs) != 3 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if r := runs[0]; r.ID != 3 || r.Version != "1.2" || r.EndedAt != nil || r.Reason != "" {
		t.Errorf("current run %+v", r)
	}
	if r := runs[1]; r.Clean || r.Reason != reasonLost {
		t.Errorf("killed run %+v", r)
	}
	if r := runs[2]; !r.Clean || r.Reason != "SIGTERM" || r.EndedAt == nil || r.EndedAt.Before(r.StartedAt) {
		t.Errorf("clean run %+v", r)
	}
	if starts, unclean := counterValue(t, s, "controlcenter_starts_total"), counterValue(t, s, "controlcenter_unclean_stops_total"); starts != 3 || unclean != 1 {
		t.Errorf("starts %v, unclean %v; want 3, 1", starts, unclean)
	}
	if one, err := s.LastRuns(t.Context(), 1); err != nil || len(one) != 1 || one[0].ID != 3 {
		t.Errorf("LastRuns(1) = %+v, %v", one, err)
	}
}

func TestRunHistoryIsBounded(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	const before = runsKept + 250
	err := s.Update(t.Context(), func(tx *Tx) error {
		for i := RunID(1); i <= before; i++ {
			if _, err := runTable.NextID(tx); err != nil {
				return err
			}
			if err := runTable.Put(tx, i.key(), Run{ID: i, Reason: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.BeginRun(t.Context(), "v"); err != nil {
		t.Fatal(err)
	}
	runs, err := s.LastRuns(t.Context(), 0)
	if err != nil || len(runs) != runsKept || runs[0].ID != before+1 || runs[runsKept-1].ID != before+2-runsKept {
		t.Errorf("%d runs, newest %d, oldest %d, %v", len(runs), runs[0].ID, runs[len(runs)-1].ID, err)
	}
}

func TestMetricsAreCompleteAndWellNamed(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", item{})
	problems, err := testutil.CollectAndLint(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	want := `# HELP controlcenter_store_quarantined 1 when this process found the state file damaged and put it aside, else 0.
# TYPE controlcenter_store_quarantined gauge
controlcenter_store_quarantined 0
# HELP controlcenter_store_transactions_total Transactions by kind: view, update (committed with a change), failed (the disk refused the commit).
# TYPE controlcenter_store_transactions_total counter
controlcenter_store_transactions_total{kind="failed"} 0
controlcenter_store_transactions_total{kind="update"} 1
controlcenter_store_transactions_total{kind="view"} 1
# HELP controlcenter_store_writable 1 when the last write to the state succeeded, 0 while the disk refuses writes.
# TYPE controlcenter_store_writable gauge
controlcenter_store_writable 1
`
	if err := testutil.CollectAndCompare(s, strings.NewReader(want), "controlcenter_store_quarantined", "controlcenter_store_transactions_total", "controlcenter_store_writable"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"controlcenter_store_size_bytes", "controlcenter_store_last_backup_timestamp_seconds"} {
		if counterValue(t, s, name) <= 0 {
			t.Errorf("%s is not positive", name)
		}
	}
}
