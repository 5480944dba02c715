// Package keeper is the small process that is the parent of every service, and the daemon's side of the talk with it.
//
// The keeper ("controlcenter keep") spawns, waits, moves what services write into their logs, signals, and writes down what
// began and how it ended. It decides nothing while a daemon is connected. It lives in a session of its own, so neither the
// death of the daemon nor Ctrl-C on it touches a service; its binary is replaced in place (execve), keeping every descriptor.
// When the keeper itself is killed, services go on: the daemon holds second descriptors of their pipes and starts another
// keeper, which takes them up.
//
// [Main] is the process, [Client] implements control.Launcher over its socket. The client's methods may be called from any
// goroutine.
package keeper
