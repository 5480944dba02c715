package auth

import (
	"fmt"
	"testing"
	"time"
)

func TestBudgetIsUsedUpByFailuresAndGrowsAgain(t *testing.T) {
	var tr throttle
	now := time.Unix(1_700_000_000, 0)
	for i := range perAddress {
		if wait := tr.wait("from a", now); wait != 0 {
			t.Fatalf("attempt %d waits %s", i, wait)
		}
		tr.failed("from a", perAddress, addressEvery, now)
	}
	if wait := tr.wait("from a", now); wait != addressEvery {
		t.Errorf("after %d failures it waits %s, want %s", perAddress, wait, addressEvery)
	}
	if wait := tr.wait("from b", now); wait != 0 {
		t.Errorf("another address waits %s", wait)
	}
	for range 50 { // asking costs nothing, and neither do further failures
		tr.wait("from a", now)
		tr.failed("from a", perAddress, addressEvery, now)
	}
	if wait := tr.wait("from a", now.Add(addressEvery)); wait != 0 {
		t.Errorf("later it waits %s", wait)
	}
	tr.forget(now.Add(addressEvery))
	if len(tr.buckets) != 1 {
		t.Errorf("%d buckets", len(tr.buckets))
	}
	tr.forget(now.Add(time.Hour))
	if len(tr.buckets) != 0 {
		t.Errorf("%d buckets are kept", len(tr.buckets))
	}
}

func TestBudgetsAreBounded(t *testing.T) {
	var tr throttle
	now := time.Unix(1_700_000_000, 0)
	for i := range mostBuckets + 500 {
		tr.failed(fmt.Sprint(i), 10, time.Second, now.Add(time.Duration(i)*time.Millisecond))
		tr.remember(uint64(i), "a")
	}
	if len(tr.buckets) != mostBuckets || len(tr.proved) != mostKnown {
		t.Errorf("%d budgets, %d proofs", len(tr.buckets), len(tr.proved))
	}
}
