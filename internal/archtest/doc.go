// Package archtest holds tests of the code base itself: which package may import which, and that each package says in one
// comment what it owns. It has no code of its own.
package archtest
