// Command child is what the supervisors under test run: one small program with a few modes. It tells the benchmark over a unix
// socket that it is there, and when it began; it ends as the benchmark says, and with it.
package main
