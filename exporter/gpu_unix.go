//go:build !windows

package exporter

const smiProgram = "nvidia-smi"
