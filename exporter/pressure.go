package exporter

// Pressure is the reading of the pressure collector (Linux PSI, /proc/pressure).
type Pressure struct{ Resources []PressureResource }

// PressureResource is the time since boot in which tasks stood still for want of a resource.
type PressureResource struct {
	Resource       string  // cpu, memory, io, irq
	WaitingSeconds float64 // at least one task waited ("some"); NaN where the kernel has none
	StalledSeconds float64 // all tasks waited ("full"); NaN where the kernel has none
}
