package usage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

func TestReopenedStoreKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	tr := openTracker(t, s, nil, Settings{})
	track(t, tr, Call{API: "a", ID: "one", CostUSD: f(9)})
	if err := tr.SetBudget(t.Context(), "a", Limits{DailyUSD: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.SetPrice(t.Context(), Price{API: "b", PerCall: 2}); err != nil {
		t.Fatal(err)
	}
	before := metricsText(t, tr)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var bus event.Bus
	sub := bus.Subscribe(10)
	tr = openTracker(t, openStore(t, dir), &bus, Settings{})
	if got := metricsText(t, tr); got != before {
		t.Errorf("metrics changed over a restart:\n%s\nwere\n%s", got, before)
	}
	done := track(t, tr, Call{API: "a", ID: "one", CostUSD: f(9)}, Call{API: "b"})
	if done.Duplicates != 1 || done.Cost != Dollars(2) {
		t.Errorf("got %+v", done)
	}
	if n := len(sub.Events()); n != 0 {
		t.Errorf("%d alerts of a budget that had told before the restart", n)
	}
}

// reportUntilKilled counts calls and acknowledges each report on stdout once Track returned.
func reportUntilKilled(dir string) int {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	tr, err := Open(context.Background(), Options{Store: s, Log: quiet}, Settings{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for i := 0; ; i++ {
		done, err := tr.Track(context.Background(), Call{API: "a", ID: fmt.Sprint("x", i), CostUSD: f(1)}, Call{API: "b", CostUSD: f(1)})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("ok", i, done.Duplicates)
	}
}

// What was acknowledged is there after a kill -9; a report that was sent again is not counted twice.
func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seen, reports := map[string]bool{}, 0
	for range 4 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), "USAGE_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20 && lines.Scan(); n++ {
			var i, dup int
			if _, err := fmt.Sscanf(lines.Text(), "ok %d %d", &i, &dup); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			seen[fmt.Sprint("x", i)] = true
			reports++
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	tr := openTracker(t, openStore(t, dir), nil, Settings{})
	st, err := tr.Stats(t.Context(), "")
	if err != nil || len(st.APIs) != 2 {
		t.Fatalf("%+v, %v", st, err)
	}
	for _, a := range st.APIs {
		least := reports
		if a.API == "a" {
			least = len(seen)
		}
		// Reports whose acknowledgement was not read may be there too, the same in every table.
		if a.Calls < int64(least) || a.Cost != USD(a.Calls)*1e9 || a.API == "a" && a.Calls > int64(reports) {
			t.Errorf("%s: %d calls for %v USD, want at least %d", a.API, a.Calls, a.Cost, least)
		}
	}
	h, err := tr.History(t.Context(), 2, "", "")
	b, err2 := tr.Budget(t.Context(), Total)
	if errors.Join(err, err2) != nil || h.Total() != st.Total || b.Periods[1].Spent > st.Total.Cost {
		t.Errorf("days %+v, total %+v, budget %+v", h.Total(), st.Total, b)
	}
}

func TestConcurrentReportsAllCount(t *testing.T) {
	tr := newTracker(t, Settings{})
	const workers, each = 8, 15
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				// Every id is sent by two workers.
				_, err := tr.Track(t.Context(), Call{API: "a", CostUSD: f(0.1)}, Call{API: "b", ID: fmt.Sprint(w/2, "-", i), InputTokens: 5})
				if err != nil {
					t.Error(err)
				}
				if _, err := tr.Summary(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := Counts{Calls: workers*each + workers*each/2, Unpriced: workers * each / 2, InputTokens: 5 * workers * each / 2, Cost: workers * each * Dollars(0.1)}
	if got := total(t, tr); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestIDIsCountedOnceIn24Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(t, Settings{})
		one := Call{API: "a", ID: "x"}
		steps := []struct {
			after time.Duration
			dup   bool
		}{{0, false}, {0, true}, {23 * time.Hour, true}, {2 * time.Hour, false}, {23 * time.Hour, true}, {2 * time.Hour, false}}
		for i, s := range steps {
			time.Sleep(s.after)
			if got := track(t, tr, one).Calls[0].Duplicate; got != s.dup {
				t.Errorf("step %d: duplicate %v, want %v", i, got, s.dup)
			}
		}
		if done := track(t, tr, Call{API: "a", ID: "y"}, Call{API: "b", ID: "y"}); done.Duplicates != 1 || !done.Calls[1].Duplicate {
			t.Errorf("twice in one report: %+v", done)
		}
		if got := total(t, tr).Calls; got != 4 {
			t.Errorf("%d calls, want 4", got)
		}
		time.Sleep(25 * time.Hour)
		track(t, tr, Call{API: "a"})
		if n := rows(t, tr, idsTable) + rows(t, tr, idTimesTable); n != 0 {
			t.Errorf("%d rows of ids that are forgotten", n)
		}
	})
}

func rows[V any](t *testing.T, tr *Tracker, table store.Table[V]) (n int) {
	t.Helper()
	err := tr.store.View(t.Context(), func(tx *store.Tx) error {
		list, err := table.List(tx, "", "", 0)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMadeUpNamesCannotFillTheDisk(t *testing.T) {
	tr := newTracker(t, Settings{})
	for from := 0; from < maxModels; from += MaxBatch {
		calls := make([]Call, MaxBatch)
		for i := range calls {
			calls[i] = Call{API: "a", Model: fmt.Sprint("m", from+i)}
		}
		track(t, tr, calls...)
	}
	track(t, tr, Call{API: "a", Model: "one-more", CostUSD: f(1)}, Call{API: "b", Model: "x", CostUSD: f(1)}, Call{API: "c", Model: "y"}, Call{API: "a", Model: "m7", CostUSD: f(1)})
	for name, want := range map[string]int64{"a/other": 1, "other/other": 2, "a/m7": 2} {
		var got model
		err := tr.store.View(t.Context(), func(tx *store.Tx) (err error) { got, err = modelsTable.Get(tx, name); return err })
		if err != nil || got.Total.Calls != want {
			t.Errorf("%s: %+v, %v, want %d calls", name, got, err, want)
		}
	}
	if n := rows(t, tr, modelsTable); n != maxModels+2 {
		t.Errorf("%d models", n)
	}
	if b, err := tr.Budget(t.Context(), "a"); err != nil || b.Periods[0].Spent != Dollars(2) {
		t.Errorf("budget of a: %+v, %v", b, err)
	}
	if recent, err := tr.Recent(t.Context(), MaxRecent, ""); err != nil || len(recent) != recentKept || recent[0].Model != "m7" {
		t.Errorf("%d recent calls, %v", len(recent), err)
	}
}

// A clock that jumps years ahead and back must not delete what was counted.
func TestOldDaysGoByNumberNotByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(t, Settings{})
		const days = maxDays + 5
		for range days {
			track(t, tr, Call{API: "a", CostUSD: f(1)})
			time.Sleep(24 * time.Hour)
		}
		time.Sleep(20 * 365 * 24 * time.Hour)
		track(t, tr, Call{API: "a", CostUSD: f(1)})
		time.Sleep(24 * time.Hour)
		track(t, tr, Call{API: "a", CostUSD: f(1)}) // the report that drops is the first of a day
		if n := rows(t, tr, daysTable); n < maxDays || n > maxDays+1 {
			t.Errorf("%d days are kept, want %d", n, maxDays)
		}
		if n := rows(t, tr, spentTable); n > 2*(maxDays+1)+2*40 {
			t.Errorf("%d rows of what was spent", n)
		}
		if got := total(t, tr); got.Calls != days+2 || got.Cost != Dollars(days+2) {
			t.Errorf("the sums since ever lost something: %+v", got)
		}
	})
}

func TestDamagedBookkeepingIsCountedAnew(t *testing.T) {
	tr := newTracker(t, Settings{})
	track(t, tr, Call{API: "a"}, Call{API: "b"})
	if err := tr.store.Update(t.Context(), func(tx *store.Tx) error { return stateTable.Delete(tx, stateKey) }); err != nil {
		t.Fatal(err)
	}
	track(t, tr, Call{API: "a"}, Call{API: "c"})
	var st state
	if err := tr.store.View(t.Context(), func(tx *store.Tx) (err error) { st, err = stateTable.Get(tx, stateKey); return err }); err != nil {
		t.Fatal(err)
	}
	if st.Models != 3 || st.Own != 3 || st.Days != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestClosedStoreIsToldToTheCaller(t *testing.T) {
	s := openStore(t, t.TempDir())
	tr := openTracker(t, s, nil, Settings{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Track(t.Context(), Call{API: "a"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("track: %v", err)
	}
	if _, err := tr.Stats(t.Context(), ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("stats: %v", err)
	}
	if n := testutil.CollectAndCount(tr); n != 0 {
		t.Errorf("%d metrics of a closed store", n)
	}
}

func BenchmarkTrackOne(b *testing.B) {
	tr := newTracker(b, Settings{Budgets: map[string]Limits{Total: {DailyUSD: 1e9}}})
	for b.Loop() {
		track(b, tr, Call{API: "openai", Model: "gpt-4o", InputTokens: 100, OutputTokens: 10})
	}
}

func BenchmarkTrackThousand(b *testing.B) {
	tr := newTracker(b, Settings{})
	calls := make([]Call, MaxBatch)
	for i := range calls {
		calls[i] = Call{API: "openai", Model: fmt.Sprint("m", i%20), InputTokens: 100}
	}
	for b.Loop() {
		track(b, tr, calls...)
	}
}
