//go:build !linux

package rig

import (
	"os"
	"os/exec"
)

// OwnGroup does nothing here.
func OwnGroup(*exec.Cmd) {}

func interrupt(p *os.Process) error { return p.Kill() }

// RaiseFileLimit does nothing here and returns 0.
func RaiseFileLimit(uint64) uint64 { return 0 }
