package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"

	"controlcenter/control"
	"controlcenter/internal/api"
	"controlcenter/internal/config"
	"controlcenter/kb"
)

func TestPlaceholdersOfTheScanCommand(t *testing.T) {
	flags := []string{"python", "manage.py", "scan", "--creator", "{creator}", "--priority={priority}", "{force}", "--max-videos", "{max_videos}"}
	for _, c := range []struct {
		template []string
		args     api.ScanArguments
		want     string
	}{
		{flags, api.ScanArguments{MaxVideos: 10}, "python manage.py scan --max-videos 10"},
		{flags, api.ScanArguments{Creator: "x", Priority: "high", Force: true, MaxVideos: 5}, "python manage.py scan --creator x --priority=high --force --max-videos 5"},
		{[]string{"tool", "--verbose", "{force}"}, api.ScanArguments{}, "tool --verbose"},
		{[]string{"tool", "{creator}", "{priority}"}, api.ScanArguments{Priority: "low"}, "tool low"},
		{[]string{"tool", "--only={creator}-{priority}"}, api.ScanArguments{Creator: "a"}, "tool"},
		{[]string{"--odd-name", "{creator}"}, api.ScanArguments{}, "--odd-name"},
		{[]string{"tool", "{creator} {creator}"}, api.ScanArguments{Creator: "a"}, "tool a a"},
		{[]string{"tool", "-x", "a", "{creator}"}, api.ScanArguments{}, "tool -x a"},
	} {
		given := slices.Clone(c.template)
		if got := strings.Join(scanArgv(c.template, c.args), " "); got != c.want || !slices.Equal(given, c.template) {
			t.Errorf("%q with %+v: %q, want %q", c.template, c.args, got, c.want)
		}
	}
}

const scanScript = `#!/bin/sh
echo "args: $*"
echo "Processing video: one"
echo "Insight extracted: first"
echo "Insight extracted: second"
case "$*" in
*bad*) exit 3 ;;
*slow*) exec sleep 1000 ;;
esac
mkdir -p ai-agents/ui-ux/new && echo "# Written by the tool" > ai-agents/ui-ux/new/tool.md
`

// The scan command is a job like others: its arguments, exit code and output are the scan's, and the files are read after it.
func TestScanCommandIsAJobAndTheFilesAreReadAfterIt(t *testing.T) {
	d, _ := testDaemon(t)
	script := filepath.Join(t.TempDir(), "scan.sh")
	if err := os.WriteFile(script, []byte(scanScript), 0o600); err != nil {
		t.Fatal(err)
	}
	next := *d.loaded.Load()
	next.Config.Knowledge.Scan.Command = []string{"sh", script, "--creator", "{creator}", "{force}", "--max-videos", "{max_videos}"}
	d.loaded.Store(&next)
	s, base := d.knowledge.command, d.knowledge.base
	if !s.Configured() {
		t.Fatal("not configured")
	}
	end := func(id string) (run api.ScanRun) {
		t.Helper()
		waitFor(t, "the command to end", func() bool {
			r, err := s.Run(t.Context(), id)
			run = r
			return err == nil && r.Finished != nil
		})
		return run
	}
	run, already, err := s.Start(t.Context(), api.ScanArguments{Creator: "harbor-notes", Force: true, MaxVideos: 7, Actor: "owner"})
	if err != nil || already || run.Kind != "command" || run.Actor != "owner" || run.Command != "sh "+script+" --creator harbor-notes --force --max-videos 7" {
		t.Fatalf("%+v %v %v", run, already, err)
	}
	done := end(run.ID)
	if done.Status != kb.JobCompleted || *done.ExitCode != 0 || done.Videos != 1 || done.Insights != 2 || !slices.Contains(done.Log, "args: --creator harbor-notes --force --max-videos 7") || done.Size == 0 {
		t.Errorf("run: %+v", done)
	}
	waitFor(t, "the file it wrote", func() bool {
		f, err := base.File(t.Context(), "ai-agents/ui-ux/new/tool.md")
		return err == nil && f.Title == "Written by the tool"
	})
	run, _, err = s.Start(t.Context(), api.ScanArguments{Creator: "bad", MaxVideos: 10})
	if err != nil {
		t.Fatal(err)
	}
	if bad := end(run.ID); bad.Status != kb.JobFailed || *bad.ExitCode != 3 || bad.Error == "" {
		t.Errorf("a run that fails: %+v", bad)
	}
	run, already, err = s.Start(t.Context(), api.ScanArguments{Creator: "slow", MaxVideos: 10})
	if err != nil || already {
		t.Fatalf("started after the end of the last one: %v, %v", already, err)
	}
	waitFor(t, "its process", func() bool { r, err := s.Run(t.Context(), run.ID); return err == nil && r.PID > 0 })
	if other, already, err := s.Start(t.Context(), api.ScanArguments{MaxVideos: 10}); err != nil || !already || other.ID != run.ID {
		t.Errorf("started while it runs: %v %v, %v", other.ID, already, err)
	}
	if err := s.Stop(t.Context(), run.ID, "owner"); err != nil {
		t.Fatal(err)
	}
	if stopped := end(run.ID); stopped.Status != kb.JobCancelled || stopped.PID != 0 {
		t.Errorf("a run that was stopped: %+v", stopped)
	}
	if err := s.Stop(t.Context(), run.ID, "owner"); !errors.Is(err, kb.ErrNotFound) {
		t.Errorf("stopped again: %v", err)
	}
	runs, total, err := s.Runs(t.Context(), 2)
	if err != nil || total != 3 || len(runs) != 2 || runs[0].ID != run.ID {
		t.Errorf("%d of %d runs, %v", len(runs), total, err)
	}
	st, err := d.services.manager.Get(config.ScanJob)
	if err != nil || st.Origin == "" {
		t.Fatalf("%+v %v", st, err)
	}
	if err := d.services.manager.Remove(t.Context(), config.ScanJob, "owner"); !errors.Is(err, control.ErrConflict) {
		t.Errorf("the configuration's job was removed: %v", err)
	}
}

func TestReloadTakesTheScanCommandOver(t *testing.T) {
	d, _ := testDaemon(t)
	dir := t.TempDir()
	d.level = promslog.NewLevel()
	d.o.Load = config.Options{Dir: dir, StateDir: dir}
	reload := func(text string) error {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return d.reload(t.Context())
	}
	root := d.knowledge.roots[0].Path
	if err := reload("knowledge: {roots: [{id: examples, path: \"" + root + "\"}], scan: {command: [\"true\", \"{creator}\"]}}\n"); err != nil {
		t.Fatal(err)
	}
	st, err := d.services.manager.Get(config.ScanJob)
	if err != nil || !strings.HasSuffix(st.Origin, config.FileName+":1") || st.Spec.Cwd != root || !slices.Equal(st.Spec.Command, []string{"true"}) || !d.knowledge.command.Configured() {
		t.Fatalf("%+v, %v", st, err)
	}
	if err := reload("log: {level: info}\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.services.manager.Get(config.ScanJob); !errors.Is(err, control.ErrNotFound) || d.knowledge.command.Configured() {
		t.Errorf("the job stays: %v", err)
	}
	if got := d.loaded.Load().Config.Knowledge.Roots; len(got) != 1 {
		t.Errorf("roots that are scanned are forgotten: %v", got)
	}
}

func TestSchedulesOfTiersComeDue(t *testing.T) {
	d, _ := testDaemon(t)
	next := *d.loaded.Load()
	next.Config.Knowledge.Scan.Command = []string{"true", "{priority}"}
	d.loaded.Store(&next)
	s := d.knowledge.command
	month := time.Date(2026, 6, 1, 3, 59, 30, 0, time.Local) // a Monday, and the first of the month
	due := s.nowDue(t.Context(), nil, month, month.Add(time.Minute))
	if len(due) == 0 || !slices.IsSortedFunc(due, func(a, b string) int {
		order := []string{"critical", "high", "medium", "low"}
		return slices.Index(order, a) - slices.Index(order, b)
	}) {
		t.Errorf("due at four in the morning of a first: %v", due)
	}
	if again := s.nowDue(t.Context(), due, month, month.Add(time.Minute)); len(again) != len(due) {
		t.Errorf("twice in the queue: %v", again)
	}
	if now := s.nowDue(t.Context(), nil, month.Add(time.Minute), month.Add(2*time.Minute)); len(now) != 0 {
		t.Errorf("due a minute later: %v", now)
	}
	left := s.startNext(t.Context(), due)
	if len(left) != len(due)-1 {
		t.Errorf("left %v of %v", left, due)
	}
	waitFor(t, "the run of the tier", func() bool {
		runs, _, err := s.Runs(t.Context(), 1)
		return err == nil && len(runs) == 1 && runs[0].Finished != nil && runs[0].Actor == "schedule" && runs[0].Command == "true "+due[0]
	})
}

// Without a command a tier that is due is scanned by ourselves.
func TestATierIsScannedByItsSchedule(t *testing.T) {
	d, _ := testDaemon(t)
	if left := d.knowledge.command.startNext(t.Context(), []string{"critical", "low"}); !slices.Equal(left, []string{"low"}) {
		t.Errorf("left %v", left)
	}
	waitFor(t, "the scan of the tier", func() bool {
		jobs, _, err := d.knowledge.base.Jobs(t.Context(), 10)
		return err == nil && slices.ContainsFunc(jobs, func(j kb.Job) bool {
			return j.Kind == kb.ScanTier && j.Tier == "critical" && j.Trigger == "schedule" && j.Finished != nil
		})
	})
}

// indexFiles are the files of an index.
func indexFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no index: %v", err)
	}
	return files
}

// A damaged index is set aside, whether it was found at the start or while it is read, and all files are indexed anew.
func TestDamagedIndexIsBuiltAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	var logs bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logs, nil))
	begin := func() *indexKeeper {
		x := newIndexKeeper(dir, log)
		x.open(t.Context())
		return x
	}
	x := begin()
	parsed, err := kb.Parse(kb.Input{Root: "r", Path: "a.md", Data: []byte("# Lanterns\n\nglow\n")})
	if err != nil {
		t.Fatal(err)
	}
	parsed.ID = "a"
	if err := x.Apply(t.Context(), 1, []*kb.Parsed{parsed}, nil); err != nil {
		t.Fatal(err)
	}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range indexFiles(t, dir) {
		if err := os.WriteFile(name, []byte("not an index"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x = begin()
	defer func() { _ = x.close() }()
	if x.now() == nil || !x.lost {
		t.Fatalf("index %v, lost %v\n%s", x.now(), x.lost, logs.String())
	}
	if _, err := os.Stat(dir + ".damaged"); err != nil {
		t.Errorf("the damaged index is not kept: %v", err)
	}
	rebuilt := make(chan struct{}, 4)
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = x.run(ctx, func(context.Context) error { rebuilt <- struct{}{}; return nil }) })
	defer func() { cancel(errStopped); wg.Wait() }()
	wait := func(what string) {
		t.Helper()
		select {
		case <-rebuilt:
		case <-time.After(time.Minute):
			t.Fatal("no rebuild " + what)
		}
	}
	wait("after the start")
	before := x.now()
	x.damaged(errors.New("a search found it"))
	x.damaged(errors.New("another search found it"))
	wait("after a search found it damaged")
	if x.now() == nil || x.now() == before {
		t.Error("the damaged index is still in use")
	}
	if g, err := x.Generation(); err != nil || g != 0 {
		t.Errorf("generation %d of a new index, %v", g, err)
	}
}

func TestIndexThatCannotBeOpenedKeepsNobodyFromStarting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(dir, []byte("a file where a folder belongs"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newIndexKeeper(filepath.Join(dir, "below"), slog.New(slog.DiscardHandler))
	x.open(t.Context())
	if x.now() != nil {
		t.Fatal("opened")
	}
	if err := x.Apply(t.Context(), 1, nil, nil); !errors.Is(err, errNoIndex) {
		t.Errorf("apply: %v", err)
	}
	if _, ok := x.stats(); ok {
		t.Error("it has statistics")
	}
	if err := x.close(); err != nil {
		t.Error(err)
	}
}
