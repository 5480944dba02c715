package cli

import (
	"testing"
	"time"
)

func TestTheScanThatFollowedARunIsFoundAmongOthers(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	ended := at(10)
	run := &kbJob{ID: "A", Kind: "command", Trigger: "command", Started: at(5), Finished: &ended}
	own := kbJob{ID: "S", Kind: "incremental", Trigger: "command", After: "A", Started: at(10)}
	other := kbJob{ID: "B", Kind: "command", Trigger: "command", Started: at(11)}
	others := kbJob{ID: "T", Kind: "incremental", Trigger: "command", After: "B", Started: at(15)}
	start := kbJob{ID: "U", Kind: "incremental", Trigger: "start", Started: at(12)}
	early := kbJob{ID: "V", Kind: "incremental", Trigger: "start", Started: at(9)}
	byHand := kbJob{ID: "W", Kind: "incremental", Trigger: "manual", Started: at(13)}
	for want, jobs := range map[string][]kbJob{
		"S": {others, byHand, start, other, own, *run, early},
		"U": {others, byHand, start, other, *run, early},
		"T": {others, byHand, other, *run, early},
		"":  {byHand, other, *run, early},
	} {
		if got := following(jobs, run); got != want {
			t.Errorf("got %q, not %q", got, want)
		}
	}
}
