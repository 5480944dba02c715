//go:build !linux

package exporter

import (
	"io/fs"
	"os/exec"
	"time"
)

func runnable(fs.FileInfo) bool { return true }

// ownGroup leaves the command as it is: nvidia-smi starts no other program, so killing it is enough.
func ownGroup(*exec.Cmd) {}

// drmCards stands for /sys/class/drm, which only Linux has; GPUs of other vendors are not read here.
type drmCards struct{}

func newDRMCards(string) drmCards { return drmCards{} }

func (drmCards) read(time.Time) []GPU { return nil }
