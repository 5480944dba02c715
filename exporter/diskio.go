package exporter

// DiskIO is the reading of the diskio collector.
type DiskIO struct {
	Devices                                   []DiskDevice
	ReadBytesPerSecond, WrittenBytesPerSecond float64 // whole disks together, over the last round; NaN before the second reading
}

// DiskDevice is one block device; counters since boot.
type DiskDevice struct {
	Device                                    string
	Whole                                     bool // a whole disk, not a partition or a device made of others
	ReadsCompleted, ReadsMerged, ReadBytes    float64
	WritesCompleted, WritesMerged             float64
	WrittenBytes                              float64
	ReadTimeSeconds, WriteTimeSeconds         float64
	IONow, IOTimeSeconds, WeightedIOSeconds   float64
	DiscardsCompleted, DiscardsMerged         float64 // NaN where the kernel has none, as the next ones
	DiscardedSectors, DiscardTimeSeconds      float64
	FlushRequests, FlushTimeSeconds           float64
	ReadBytesPerSecond, WrittenBytesPerSecond float64
}
