package exporter

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestServicesAreSumsOfTheirProcesses(t *testing.T) {
	p := &Processes{List: []Process{
		{Service: "web", CPUPercent: 12.5, MemoryBytes: 100, Threads: 3},
		{Service: "", CPUPercent: 50, MemoryBytes: 1000, Threads: 1},
		{Service: "web", CPUPercent: math.NaN(), MemoryBytes: 20, Threads: 1}, // read once
		{Service: "db", CPUPercent: 1, MemoryBytes: math.NaN(), Threads: 2},
	}}
	got := p.Services()
	if len(got) != 2 || got["web"] != (ServiceLoad{12.5, 120, 2, 4}) || got["db"] != (ServiceLoad{1, 0, 1, 2}) {
		t.Errorf("got %+v", got)
	}
}

func TestHistoryOfServices(t *testing.T) {
	h := newHistory(2 * time.Second)
	begin := time.UnixMilli(1_800_000_000_000)
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * serviceEvery) }
	of := func(services ...string) *Processes {
		p := &Processes{}
		for i, name := range services {
			p.List = append(p.List, Process{Service: name, CPUPercent: float64(i + 1), MemoryBytes: 10})
		}
		return p
	}
	if c := h.Services(begin); len(c.Times) != 0 || len(c.Services) != 0 {
		t.Errorf("at the start: %+v", c)
	}
	first := of("web", "db")
	for range 3 { // rounds come more often than readings of the processes
		h.services.add(at(0), first)
	}
	h.services.add(at(1), of("web"))
	h.services.add(at(2), nil) // not read, or too old
	h.services.add(at(3), of("new", "web"))
	c := h.Services(begin)
	if want := []int64{at(0).UnixMilli(), at(1).UnixMilli(), at(3).UnixMilli()}; fmt.Sprint(c.Times) != fmt.Sprint(want) {
		t.Errorf("times %v, want %v", c.Times, want)
	}
	for name, want := range map[string]string{"web": "[1 1 2]", "db": "[2 NaN NaN]", "new": "[NaN NaN 1]"} {
		if got := fmt.Sprint(c.Services[name].CPUPercent); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := fmt.Sprint(c.Services["db"].MemoryBytes); got != "[10 NaN NaN]" {
		t.Errorf("memory of db: %s", got)
	}
	if c = h.Services(at(1).Add(time.Millisecond)); len(c.Times) != 1 || len(c.Services["web"].CPUPercent) != 1 {
		t.Errorf("the newest: %+v", c)
	}

	size := len(h.services.times)
	for i := range 2 * size {
		h.services.add(at(4+i), of("web"))
	}
	c = h.Services(begin)
	if len(c.Times) != size || c.Times[size-1] != at(4+2*size-1).UnixMilli() || len(c.Services) != 1 {
		t.Errorf("after twice its time: %d points to %d, %d services", len(c.Times), c.Times[len(c.Times)-1], len(c.Services))
	}
	for i, v := range c.Services["web"].CPUPercent {
		if v != 1 {
			t.Errorf("point %d: %v", i, v)
		}
	}
}
