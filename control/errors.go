package control

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of errors a caller of a [Manager] meets; compare with errors.Is. A full or broken store is store.ErrUnavailable,
// and whatever is none of these is internal.
var (
	ErrNotFound = errors.New("not found")
	ErrInvalid  = errors.New("invalid")
	ErrConflict = errors.New("conflict")
	ErrDenied   = errors.New("denied")
	ErrFailed   = errors.New("failed")
	ErrTimeout  = errors.New("timed out")
)

// ErrEnded is returned to callers of a [Manager] whose Run has returned.
var ErrEnded = errors.New("control has ended")

// Error is an error of one of the kinds above, in words for users.
type Error struct {
	Kind  error
	Text  string
	Lines []string // of ErrFailed: the last lines the service wrote
	Cause error
}

func (e *Error) Error() string { return e.Text }

// Unwrap makes errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

func errorf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// FieldError is one wrong field of a definition: "probes.readiness.interval", "must be at least 100ms".
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"msg"`
}

// InvalidError lists everything that is wrong with a definition; it is an ErrInvalid.
type InvalidError struct {
	Service string
	Fields  []FieldError
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		if f.Field != "" {
			b.WriteString(f.Field + ": ")
		}
		b.WriteString(f.Message)
	}
	return b.String()
}

// Is makes every InvalidError match ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Invalid marks the error as the caller's fault.
func (e *InvalidError) Invalid() bool { return true }
