// Package cli is the command line: every verb of controlcenter, as cobra
// commands built by [New] and run by [Execute].
//
// Verbs come in two kinds. Client verbs (status, ports, ps, backup, ...) ask a
// running daemon over its unix socket, or over the URL of --url or CC_URL, and
// never read the machine themselves, so that they show what every other reader
// sees. Local verbs (check, config, openapi, version, ...) need no daemon;
// backup and restore fall back to the data file when none runs. The serve verb
// only gathers its flags and calls the function it was given.
//
// Nothing here is global: the streams, the environment and the version come in
// [Options], so tests build as many command trees as they like. No verb ends
// the process; [Execute] returns the exit code. Verbs block until they are done
// or the context ends, and leave no goroutine behind.
//
// Text that comes from the machine (process names, command lines) passes
// through an escape before it reaches a terminal.
package cli
