package exporter

// Pressure is the reading of the pressure collector (Linux PSI, /proc/pressure).
type Pressure struct{ Resources []PressureResource }

// PressureResource is the time since boot in which tasks stood still for want of a resource.
type PressureResource struct {
	Resource       string  // cpu, memory, io, irq
	WaitingSeconds float64 // at least one task waited ("some"); NaN where the kernel has none
	StalledSeconds float64 // all tasks waited ("full"); NaN where the kernel has none
}

var (
	descPressureWaiting = Desc{"controlcenter_pressure_waiting_seconds_total", "Time since boot in which at least one task waited for the resource, in seconds (/proc/pressure, \"some\").", Counter, []string{"resource"}}
	descPressureStalled = Desc{"controlcenter_pressure_stalled_seconds_total", "Time since boot in which all tasks waited for the resource, in seconds (/proc/pressure, \"full\").", Counter, []string{"resource"}}

	nodePressureCPUWaiting = Desc{"node_pressure_cpu_waiting_seconds_total", "Total time in seconds that processes have waited for CPU time", Counter, nil}
	nodePressureIOWaiting  = Desc{"node_pressure_io_waiting_seconds_total", "Total time in seconds that processes have waited due to IO congestion", Counter, nil}
	nodePressureIOStalled  = Desc{"node_pressure_io_stalled_seconds_total", "Total time in seconds no process could make progress due to IO congestion", Counter, nil}
	nodePressureMemWaiting = Desc{"node_pressure_memory_waiting_seconds_total", "Total time in seconds that processes have waited for memory", Counter, nil}
	nodePressureMemStalled = Desc{"node_pressure_memory_stalled_seconds_total", "Total time in seconds no process could make progress due to memory congestion", Counter, nil}
	nodePressureIRQStalled = Desc{"node_pressure_irq_stalled_seconds_total", "Total time in seconds no process could make progress due to IRQ congestion", Counter, nil}
)

func newPressure(o *Options) *Part[Pressure] {
	r := newPressureReader(o)
	return &Part[Pressure]{
		Name: "pressure", Kind: Fast,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descPressureWaiting, &descPressureStalled},
		Node: []*Desc{
			&nodePressureCPUWaiting, &nodePressureIOWaiting, &nodePressureIOStalled,
			&nodePressureMemWaiting, &nodePressureMemStalled, &nodePressureIRQStalled,
		},
		Emit: func(v *Pressure, e *Emitter) {
			waiting, stalled := e.Family(&descPressureWaiting), e.Family(&descPressureStalled)
			for i := range v.Resources {
				p := &v.Resources[i]
				waiting.Add(p.WaitingSeconds, p.Resource)
				stalled.Add(p.StalledSeconds, p.Resource)
			}
		},
		EmitNode: emitPressureNode,
	}
}

func emitPressureNode(v *Pressure, e *Emitter) {
	for i := range v.Resources {
		p := &v.Resources[i]
		switch p.Resource {
		case "cpu": // its "full" row is there for form only
			e.Family(&nodePressureCPUWaiting).Add(p.WaitingSeconds)
		case "io":
			e.Family(&nodePressureIOWaiting).Add(p.WaitingSeconds)
			e.Family(&nodePressureIOStalled).Add(p.StalledSeconds)
		case "memory":
			e.Family(&nodePressureMemWaiting).Add(p.WaitingSeconds)
			e.Family(&nodePressureMemStalled).Add(p.StalledSeconds)
		case "irq":
			e.Family(&nodePressureIRQStalled).Add(p.StalledSeconds)
		}
	}
}
