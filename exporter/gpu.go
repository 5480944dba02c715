package exporter

import (
	"context"
	"math"
	"time"
)

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

var (
	descGPUInfo        = Desc{"controlcenter_gpu_info", "A graphics processor; always 1. nvidia-smi, or /sys/class/drm, refreshed every 5 s.", Gauge, []string{"gpu", "vendor", "name", "driver"}}
	descGPUUtilization = Desc{"controlcenter_gpu_utilization_ratio", "Share of the last sample period (up to a second) in which the GPU was at work, 0 to 1. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUMemoryUsed  = Desc{"controlcenter_gpu_memory_used_bytes", "Memory of the GPU in use. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUMemoryTotal = Desc{"controlcenter_gpu_memory_total_bytes", "Memory of the GPU. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUTemperature = Desc{"controlcenter_gpu_temperature_celsius", "Temperature of the GPU's core. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUPower       = Desc{"controlcenter_gpu_power_watts", "Power drawn by the GPU's board. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUFan         = Desc{"controlcenter_gpu_fan_ratio", "Speed the GPU's fan is driven at, 0 to 1 of its highest. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUClock       = Desc{"controlcenter_gpu_clock_hertz", "Clock of the GPU's core. Refreshed every 5 s.", Gauge, []string{"gpu"}}
	descGPUProcess     = Desc{"controlcenter_gpu_process_memory_bytes", "Memory of the GPU held by compute processes, summed by program name. nvidia-smi, refreshed every 5 s.", Gauge, []string{"gpu", "name"}}
)

// newGPU builds the gpu collector. Its helper processes are started by the first Read on a machine that has nvidia-smi, and
// ended by the part's Close.
func newGPU(o *Options) *Part[GPUs] { return newGPUReader(o).part() }

func (r *gpuReader) part() *Part[GPUs] {
	return &Part[GPUs]{
		Name: "gpu", Kind: Dear, Every: r.interval, Deadline: 2 * time.Second,
		Read: func(ctx context.Context) (*GPUs, error) { return r.read(ctx, time.Now()) },
		Metrics: []*Desc{
			&descGPUInfo, &descGPUUtilization, &descGPUMemoryUsed, &descGPUMemoryTotal, &descGPUTemperature,
			&descGPUPower, &descGPUFan, &descGPUClock, &descGPUProcess,
		},
		Emit:  emitGPUs,
		Close: r.close,
	}
}

func emitGPUs(v *GPUs, e *Emitter) {
	info, utilization := e.Family(&descGPUInfo), e.Family(&descGPUUtilization)
	used, total := e.Family(&descGPUMemoryUsed), e.Family(&descGPUMemoryTotal)
	temperature, power := e.Family(&descGPUTemperature), e.Family(&descGPUPower)
	fan, clock, process := e.Family(&descGPUFan), e.Family(&descGPUClock), e.Family(&descGPUProcess)
	for i := range v.List {
		g := &v.List[i]
		info.Add(1, g.ID, g.Vendor, g.Name, g.Driver)
		utilization.Add(g.UtilizationRatio, g.ID)
		used.Add(g.MemoryUsedBytes, g.ID)
		total.Add(g.MemoryTotalBytes, g.ID)
		temperature.Add(g.TemperatureCelsius, g.ID)
		power.Add(g.PowerWatts, g.ID)
		fan.Add(g.FanRatio, g.ID)
		clock.Add(g.ClockHertz, g.ID)
		sums := map[string]float64{}
		for _, p := range g.Processes {
			if !math.IsNaN(p.MemoryUsedBytes) {
				sums[p.Name] += p.MemoryUsedBytes
			}
		}
		for name, bytes := range sums {
			process.Add(bytes, g.ID, name)
		}
	}
}
