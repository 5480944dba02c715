package cli

import (
	"errors"
	"fmt"
)

// Exit codes, the same for every verb.
const (
	ExitOK          = 0
	ExitFailed      = 1 // the operation did not succeed
	ExitUsage       = 2 // unknown verb, flag or argument; a value out of its range
	ExitNotFound    = 3 // what was named does not exist
	ExitRefused     = 4 // the daemon understood and said no
	ExitUnreachable = 5 // no daemon answered
)

// exitError carries the exit code of an error up to Execute.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exitf(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

func usagef(format string, args ...any) error { return exitf(ExitUsage, format, args...) }

// failed gives an error that has no exit code yet the code 1. What cobra itself finds wrong before a verb runs never
// passes here, which is how Execute knows it for a usage error.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return &exitError{ExitFailed, err}
}
