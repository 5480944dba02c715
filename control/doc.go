// Package control runs services and jobs: it holds their definitions, starts and stops them in the order of their
// dependencies, watches their health, restarts them by their policy and remembers what happened.
//
// [Manager] is the door. Each service belongs to one goroutine, its owner (service.go), which is the only one to change it;
// everybody else reads the immutable [Status] the owner publishes. What an owner does next is decided by step, a pure
// function over a table of rules (step.go, table.go); what it waits before a restart by the pure functions of policy.go.
// Processes are started and watched by a [Launcher], in practice the keeper process, which lives on when this process dies.
//
// Order: what a command changes is in the store before it is done and before it is published, with the history row in the
// same transaction. Two things go ahead of the store: a restart after a crash never waits for it, and stop and kill work
// without it; what they changed is written as soon as the store takes it.
//
// [Manager.Run] owns all goroutines and returns after they have ended; ending it touches no service. Methods of Manager may
// be called from any goroutine; those that change something block until it is done or their context ends.
package control
