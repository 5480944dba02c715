// Package lazy holds what is made when it is first used. Every start of the program, also that of a keeper or of a command line,
// runs the initialization of all packages: what is costly there is paid by those who never need it.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns a function that compiles expr at its first call and returns the same regular expression ever after; it may be
// called from any goroutine. It panics at that call when expr is none.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
