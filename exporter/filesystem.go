package exporter

import "time"

// Filesystems is the reading of the filesystem collector.
type Filesystems struct{ List []Filesystem }

// Filesystem is one mounted file system. NaN where unknown, as when its server hangs.
type Filesystem struct {
	Device, Mountpoint, Type             string
	ReadOnly                             bool
	SizeBytes, FreeBytes, AvailableBytes float64
	UsedRatio                            float64 // used / (used + available to users), 0..1, as df counts
	Files, FilesFree                     float64
	Hung                                 bool   // its last statfs has not returned
	Main                                 bool   // the root volume (the system drive on Windows)
	Node                                 bool   // also shown at /metrics/node (node_exporter's default filters)
	Major, Minor                         string // device number; "" elsewhere than on Linux
	Problem                              string // why its numbers are unknown: "mountpoint timeout" or the system's error; "" = they are known
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

var (
	descFSSize      = Desc{"controlcenter_filesystem_size_bytes", "Size of the file system in bytes (statfs), read every 30 s.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSFree      = Desc{"controlcenter_filesystem_free_bytes", "Free bytes of the file system, those kept for root too, read every 30 s.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSAvailable = Desc{"controlcenter_filesystem_available_bytes", "Bytes of the file system that users may still fill, read every 30 s.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSUsedRatio = Desc{"controlcenter_filesystem_used_ratio", "Used share of the file system as df counts, 0 to 1: used / (used + available to users), read every 30 s.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSFiles     = Desc{"controlcenter_filesystem_files", "Files (inodes) that the file system can hold, read every 30 s. Absent where it has no such limit.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSFilesFree = Desc{"controlcenter_filesystem_files_free", "Files (inodes) that the file system can still take, read every 30 s. Absent where it has no such limit.", Gauge, []string{"device", "mountpoint", "fstype"}}
	descFSReadOnly  = Desc{"controlcenter_filesystem_readonly", "Whether the file system is mounted read-only (1) or not (0), read every 30 s.", Gauge, []string{"device", "mountpoint", "fstype"}}

	nodeFSSize      = Desc{"node_filesystem_size_bytes", "Filesystem size in bytes.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSFree      = Desc{"node_filesystem_free_bytes", "Filesystem free space in bytes.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSAvail     = Desc{"node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSFiles     = Desc{"node_filesystem_files", "Filesystem total file nodes.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSFilesFree = Desc{"node_filesystem_files_free", "Filesystem total free file nodes.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSReadOnly  = Desc{"node_filesystem_readonly", "Filesystem read-only status.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSError     = Desc{"node_filesystem_device_error", "Whether an error occurred while getting statistics for the given device.", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSPurgeable = Desc{"node_filesystem_purgeable_bytes", "Filesystem space available including purgeable space (MacOS specific).", Gauge, []string{"device", "mountpoint", "fstype", "device_error"}}
	nodeFSMountInfo = Desc{"node_filesystem_mount_info", "Filesystem mount information.", Gauge, []string{"device", "major", "minor", "mountpoint"}}
)

func newFilesystem(o *Options) *Part[Filesystems] {
	r := newFilesystemReader(o)
	return &Part[Filesystems]{
		Name: "filesystem", Kind: Dear, Every: 30 * time.Second,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descFSSize, &descFSFree, &descFSAvailable, &descFSUsedRatio, &descFSFiles, &descFSFilesFree, &descFSReadOnly},
		Node: []*Desc{
			&nodeFSSize, &nodeFSFree, &nodeFSAvail, &nodeFSFiles, &nodeFSFilesFree, &nodeFSReadOnly, &nodeFSError, &nodeFSPurgeable,
			&nodeFSMountInfo,
		},
		Emit: emitFilesystems, EmitNode: emitFilesystemsNode,
	}
}

func emitFilesystems(v *Filesystems, e *Emitter) {
	size, free, available, used := e.Family(&descFSSize), e.Family(&descFSFree), e.Family(&descFSAvailable), e.Family(&descFSUsedRatio)
	files, filesFree, readOnly := e.Family(&descFSFiles), e.Family(&descFSFilesFree), e.Family(&descFSReadOnly)
	for i := range v.List {
		f := &v.List[i]
		size.Add(f.SizeBytes, f.Device, f.Mountpoint, f.Type)
		free.Add(f.FreeBytes, f.Device, f.Mountpoint, f.Type)
		available.Add(f.AvailableBytes, f.Device, f.Mountpoint, f.Type)
		used.Add(f.UsedRatio, f.Device, f.Mountpoint, f.Type)
		if f.Files > 0 {
			files.Add(f.Files, f.Device, f.Mountpoint, f.Type)
			filesFree.Add(f.FilesFree, f.Device, f.Mountpoint, f.Type)
		}
		readOnly.Bool(f.ReadOnly, f.Device, f.Mountpoint, f.Type)
	}
}

func emitFilesystemsNode(v *Filesystems, e *Emitter) {
	size, free, avail := e.Family(&nodeFSSize), e.Family(&nodeFSFree), e.Family(&nodeFSAvail)
	files, filesFree, readOnly := e.Family(&nodeFSFiles), e.Family(&nodeFSFilesFree), e.Family(&nodeFSReadOnly)
	failed, purgeable, info := e.Family(&nodeFSError), e.Family(&nodeFSPurgeable), e.Family(&nodeFSMountInfo)
	for i := range v.List {
		f := &v.List[i]
		if !f.Node {
			continue
		}
		failed.Bool(f.Problem != "", f.Device, f.Mountpoint, f.Type, f.Problem)
		readOnly.Bool(f.ReadOnly, f.Device, f.Mountpoint, f.Type, f.Problem)
		if f.Problem != "" {
			continue
		}
		size.Add(f.SizeBytes, f.Device, f.Mountpoint, f.Type)
		free.Add(f.FreeBytes, f.Device, f.Mountpoint, f.Type)
		avail.Add(f.AvailableBytes, f.Device, f.Mountpoint, f.Type)
		files.Add(f.Files, f.Device, f.Mountpoint, f.Type)
		filesFree.Add(f.FilesFree, f.Device, f.Mountpoint, f.Type)
		purgeable.Add(0, f.Device, f.Mountpoint, f.Type)
		if f.Major != "" {
			info.Add(1, f.Device, f.Major, f.Minor, f.Mountpoint)
		}
	}
}

// usedRatio is what df shows: the share of what users can fill.
func usedRatio(size, free, available float64) float64 {
	used := size - free
	if used+available <= 0 {
		return unknown()
	}
	return used / (used + available)
}
