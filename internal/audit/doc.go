// Package audit remembers who did what: each call that changes something, and each that was refused. Rows are only added, and
// removed by age and number.
//
// A change that is a transaction of the store has its row in that transaction: [Log.Begin] makes the [store.Rider] that does
// it. Everything else is written right after the answer by [Log.Run], the only goroutine, which also sums up refusals: the first
// of a kind is written at once, what follows within a minute as one row with a count. Refusals have a table of their own, so
// that a flood of them pushes out no change, and a bound on kinds a minute, so that it cannot fill the disk.
//
// Methods of [Log] may be called from any goroutine and do not block.
package audit
