// Package probe asks whether a service is well: over HTTP, by a TCP connection, by running a command, by a line in its log,
// or by what the service itself says over the notification socket.
//
// A kind of probe is one file with a constructor and one line in the table of probe.go. [Run] repeats one probe on its
// interval and reports each time its verdict changes: well after Success good answers in a row, unwell after Failure bad
// ones. Run is called in a goroutine of the service's owner and returns when its context ends; a probe that hangs is cut
// off at its timeout and never delays another service.
package probe
