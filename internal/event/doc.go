// Package event tells the parts of the program that something happened, live and afterwards.
//
// A [Bus] carries typed events to live readers: REST streams, WebSocket frames, waiting commands. It never blocks who
// publishes: each [Subscription] has a bounded buffer, and one that overflows ends with [ErrLagged]; its reader starts again
// from a snapshot. What must not be lost does not travel by the bus but is written by [Append] in the same store transaction
// as the change itself; that history is read back by [List].
//
// The package starts no goroutine. Everything may be called from any goroutine.
package event
