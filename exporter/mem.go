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
}

// NamedValue is a number under the kernel's own name for it.
type NamedValue struct {
	Name  string
	Value float64
}
