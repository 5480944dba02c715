package exporter

// Memory is the reading of the memory collector. Numbers are bytes; NaN where the platform has none. Used is total less
// available, so that used + available = total.
type Memory struct {
	TotalBytes, AvailableBytes, UsedBytes, FreeBytes, CachedBytes, BuffersBytes float64
	UsedRatio                                                                   float64 // used / total, 0..1
	SwapTotalBytes, SwapFreeBytes, SwapUsedBytes                                float64
	SwapInBytes, SwapOutBytes                                                   float64 // since boot
	OOMKills                                                                    float64 // since boot
	// Info is every row of /proc/meminfo in the kernel's order, in bytes (counts as they are); VMStat the rows of
	// /proc/vmstat that node_exporter shows. Empty elsewhere than on Linux.
	Info, VMStat []NamedValue

	infoDescs, vmstatDescs []*Desc // of the rows, for /metrics/node
}

// NamedValue is a number under the kernel's own name for it.
type NamedValue struct {
	Name  string
	Value float64
}

var (
	descMemTotal     = Desc{"controlcenter_memory_total_bytes", "Physical memory in bytes.", Gauge, nil}
	descMemAvailable = Desc{"controlcenter_memory_available_bytes", "Memory in bytes that programs can get without swapping (Linux: MemAvailable of /proc/meminfo).", Gauge, nil}
	descMemUsed      = Desc{"controlcenter_memory_used_bytes", "Total less available memory in bytes.", Gauge, nil}
	descMemUsedRatio = Desc{"controlcenter_memory_used_ratio", "Used share of the memory, 0 to 1: used / total.", Gauge, nil}
	descMemFree      = Desc{"controlcenter_memory_free_bytes", "Memory in bytes that nothing uses, not even a cache.", Gauge, nil}
	descMemCached    = Desc{"controlcenter_memory_cached_bytes", "Memory in bytes that holds pages of files (Linux: Cached of /proc/meminfo).", Gauge, nil}
	descMemBuffers   = Desc{"controlcenter_memory_buffers_bytes", "Memory in bytes that holds blocks of devices (Linux: Buffers of /proc/meminfo).", Gauge, nil}
	descSwapTotal    = Desc{"controlcenter_memory_swap_total_bytes", "Swap space in bytes.", Gauge, nil}
	descSwapUsed     = Desc{"controlcenter_memory_swap_used_bytes", "Used swap space in bytes.", Gauge, nil}
	descSwapFree     = Desc{"controlcenter_memory_swap_free_bytes", "Free swap space in bytes.", Gauge, nil}
	descSwapIn       = Desc{"controlcenter_swap_in_bytes_total", "Bytes read back from swap since boot (Linux: pswpin of /proc/vmstat).", Counter, nil}
	descSwapOut      = Desc{"controlcenter_swap_out_bytes_total", "Bytes written to swap since boot (Linux: pswpout of /proc/vmstat).", Counter, nil}
	descOOMKills     = Desc{"controlcenter_oom_kills_total", "Processes killed for want of memory since boot (/proc/vmstat).", Counter, nil}
)

func newMemory(o *Options) *Part[Memory] {
	r := newMemoryReader(o)
	return &Part[Memory]{
		Name: "memory", Kind: Fast,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{
			&descMemTotal, &descMemAvailable, &descMemUsed, &descMemUsedRatio, &descMemFree, &descMemCached, &descMemBuffers,
			&descSwapTotal, &descSwapUsed, &descSwapFree, &descSwapIn, &descSwapOut, &descOOMKills,
		},
		Node: append(pointers(nodeMemInfo), pointers(nodeVMStat)...),
		Emit: emitMemory, EmitNode: emitMemoryNode,
	}
}

func emitMemory(v *Memory, e *Emitter) {
	e.Family(&descMemTotal).Add(v.TotalBytes)
	e.Family(&descMemAvailable).Add(v.AvailableBytes)
	e.Family(&descMemUsed).Add(v.UsedBytes)
	e.Family(&descMemUsedRatio).Add(v.UsedRatio)
	e.Family(&descMemFree).Add(v.FreeBytes)
	e.Family(&descMemCached).Add(v.CachedBytes)
	e.Family(&descMemBuffers).Add(v.BuffersBytes)
	e.Family(&descSwapTotal).Add(v.SwapTotalBytes)
	e.Family(&descSwapUsed).Add(v.SwapUsedBytes)
	e.Family(&descSwapFree).Add(v.SwapFreeBytes)
	e.Family(&descSwapIn).Add(v.SwapInBytes)
	e.Family(&descSwapOut).Add(v.SwapOutBytes)
	e.Family(&descOOMKills).Add(v.OOMKills)
}

func emitMemoryNode(v *Memory, e *Emitter) {
	for i := range v.Info {
		e.Family(v.infoDescs[i]).Add(v.Info[i].Value)
	}
	for i := range v.VMStat {
		e.Family(v.vmstatDescs[i]).Add(v.VMStat[i].Value)
	}
}

// derive fills what follows from the other numbers.
func (v *Memory) derive() {
	v.UsedBytes = v.TotalBytes - v.AvailableBytes
	v.UsedRatio = unknown()
	if v.TotalBytes > 0 {
		v.UsedRatio = v.UsedBytes / v.TotalBytes
	}
	v.SwapUsedBytes = v.SwapTotalBytes - v.SwapFreeBytes
}

func pointers(descs []Desc) []*Desc {
	p := make([]*Desc, len(descs))
	for i := range descs {
		p[i] = &descs[i]
	}
	return p
}
