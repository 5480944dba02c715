package exporter

// Filesystems is the reading of the filesystem collector.
type Filesystems struct{ List []Filesystem }

// Filesystem is one mounted file system. NaN where unknown, as when its server hangs.
type Filesystem struct {
	Device, Mountpoint, Type             string
	ReadOnly                             bool
	SizeBytes, FreeBytes, AvailableBytes float64
	UsedRatio                            float64 // used / (used + available to users), 0..1, as df counts
	Files, FilesFree                     float64
	Hung                                 bool // its last statfs has not returned
	Main                                 bool // the root volume (the system drive on Windows)
	Node                                 bool // also shown at /metrics/node (node_exporter's default filters)
}

// Main returns the main volume, or nil when it could not be read.
func (f *Filesystems) Main() *Filesystem {
	for i := range f.List {
		if f.List[i].Main {
			return &f.List[i]
		}
	}
	return nil
}
