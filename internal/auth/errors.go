package auth

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrWrong says that the credentials are not right; never which part of them.
	ErrWrong = errors.New("credentials are wrong")
	// ErrExpired says that they were right once.
	ErrExpired = errors.New("credentials have expired")
	// ErrInactive says that the user exists and may not log in.
	ErrInactive = errors.New("user is not active")
	// ErrNotFound says that there is no such key, user or session.
	ErrNotFound = errors.New("not found")
	// ErrTaken says that another user has that name.
	ErrTaken = errors.New("name is taken")
	// ErrBusy says that too many passwords are being checked.
	ErrBusy = errors.New("too many logins at once")
)

// ThrottledError says that too many attempts failed. What was given was not looked at.
type ThrottledError struct{ After time.Duration }

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %d s", e.Seconds())
}

// Seconds is After, rounded up.
func (e *ThrottledError) Seconds() int { return int((e.After + time.Second - 1) / time.Second) }

// InvalidError is a value that cannot be taken.
type InvalidError struct{ Field, Text string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Text }
