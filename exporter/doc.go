// Package exporter reads the machine: CPU, memory, disks, network, sensors, GPUs, listening ports and processes.
//
// It owns every read. One [Sampler] goroutine starts the readers of the parts in table.go, each on its own cadence and under
// its own deadline, and publishes their results as an immutable [Snapshot]; /metrics, REST, WebSocket frames and alert rules
// all look at that one snapshot, so they agree. Any number of goroutines may call [Sampler.Snapshot], [Sampler.Fresh] and
// [Sampler.Subscribe]; none of them ever makes the machine be read more than once per quarter of a second.
//
// A reader that hangs (a dead mount, a stuck GPU driver) is abandoned at its deadline and not started again until it has
// returned; every other part goes on. A reading older than three of its intervals is no longer shown: absent beats stale.
//
// The package knows nothing of HTTP, services or storage. What it needs of them (which service owns a pid) it is handed as a
// function.
package exporter
