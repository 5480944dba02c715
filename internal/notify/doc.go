// Package notify tells people what they asked to be told: rules look at the stored event history and at readings of the
// machine, and what they find goes through an outbox in the store to channels (webhook, chat, e-mail, desktop).
//
// Nothing is lost when the process is killed at any moment. The place in the event history up to which rules have looked is
// kept in the store, and moves in the same transaction that writes the alerts and the outbox rows that came of it; a row stays
// in the outbox until its channel took it. So each event is delivered at least once; an item's id tells a receiver of repeats.
//
// [Notifier.Run] owns all goroutines: one that looks at events and readings and alone changes alerts, and one per channel that
// sends. The policy (rules, mutes, quiet hours, grouping) is plain code without goroutines, clocks or a store: it is given the
// time. Methods of a [Notifier] may be called from any goroutine; those that take a context wait for the store, [Notifier.Test]
// for the channel.
package notify
