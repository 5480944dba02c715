// Package usage counts what calls to outside APIs cost: calls, tokens, units of a quota and US dollars, per API and model,
// with prices, budgets and their alerts.
//
// Callers report each call by [Tracker.Track], alone or up to 1,000 at once. One report is one store transaction: it is either
// counted whole or, when it is refused or the disk fails, not at all, and what was counted survives a kill. A call that carries
// an id is counted once in 24 hours however often it is reported.
//
// Everything is kept in the store: a row per UTC day, API and model, totals since ever, the last 1,000 calls as they came, what
// each budget's period has used, and which alerts were given. The Tracker itself holds only the settings, so a restart or a
// restored backup loses and doubles nothing. Days and months are those of UTC everywhere.
//
// Money is an integer of 10⁻⁹ US dollars ([USD]): one token of a cheap model costs less than a micro-dollar, and rounding each
// call would lose them all. Prices are estimates (see [Shipped]); a reported cost wins over a computed one.
//
// The package starts no goroutine. All methods may be called from any goroutine; those that write wait for the disk.
package usage
