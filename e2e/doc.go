// Package e2e holds the tests of the whole program: the built binary as a process of its own, on real sockets, beside a real
// Prometheus. It has no code of its own. CC_TEST_BINARY names the binary; without it one is built.
package e2e
