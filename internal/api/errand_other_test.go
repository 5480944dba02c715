//go:build !linux

package api

func runErrand() (errands bool, err error) { return false, nil }
