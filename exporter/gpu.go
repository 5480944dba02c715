package exporter

import "math"

// GPUs is the reading of the gpu collector.
type GPUs struct{ List []GPU }

// GPU is one graphics processor. NaN where its driver does not tell.
type GPU struct {
	ID, Vendor, Name, Driver          string // ID "0", "1", ...; Vendor nvidia, amd or intel
	UtilizationRatio                  float64
	MemoryUsedBytes, MemoryTotalBytes float64
	TemperatureCelsius, PowerWatts    float64
	FanRatio, ClockHertz              float64
	Processes                         []GPUProcess
}

// GPUProcess is the memory one process holds on a GPU.
type GPUProcess struct {
	PID             int
	Name            string
	MemoryUsedBytes float64
}

// MaxUtilizationRatio is that of the busiest GPU, NaN when none tells.
func (g *GPUs) MaxUtilizationRatio() float64 {
	busiest := math.NaN()
	for _, d := range g.List {
		if math.IsNaN(busiest) || d.UtilizationRatio > busiest {
			busiest = d.UtilizationRatio
		}
	}
	return busiest
}

// MemoryUsedBytes is the sum over all GPUs that tell, NaN when none does.
func (g *GPUs) MemoryUsedBytes() float64 {
	sum := math.NaN()
	for _, d := range g.List {
		switch {
		case math.IsNaN(d.MemoryUsedBytes):
		case math.IsNaN(sum):
			sum = d.MemoryUsedBytes
		default:
			sum += d.MemoryUsedBytes
		}
	}
	return sum
}
