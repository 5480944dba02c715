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
	Node                                      bool // shown as metrics: no partition, loop or ram device (node_exporter's default filter)

	major, minor string
	meta         *diskMeta
}

// diskMeta is what rarely changes of a device; the zero value is "nothing known".
type diskMeta struct {
	whole      bool
	rotational string            // "1" or "0"
	udev       map[string]string // what udev knows of it; nil without udev
}

var (
	descDiskRead    = Desc{"controlcenter_disk_read_bytes_total", "Bytes read from the device since boot (Linux: /proc/diskstats).", Counter, []string{"device"}}
	descDiskWritten = Desc{"controlcenter_disk_written_bytes_total", "Bytes written to the device since boot (Linux: /proc/diskstats).", Counter, []string{"device"}}
	descDiskReads   = Desc{"controlcenter_disk_reads_completed_total", "Reads the device finished since boot.", Counter, []string{"device"}}
	descDiskWrites  = Desc{"controlcenter_disk_writes_completed_total", "Writes the device finished since boot.", Counter, []string{"device"}}
	descDiskIOTime  = Desc{"controlcenter_disk_io_time_seconds_total", "Seconds since boot in which the device had something to do.", Counter, []string{"device"}}
	descDiskIONow   = Desc{"controlcenter_disk_io_now", "Requests the device works on at this moment.", Gauge, []string{"device"}}

	nodeDiskInfo       = Desc{"node_disk_info", "Info of /sys/block/<block_device>.", Gauge, []string{"device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational"}}
	nodeDiskFSInfo     = Desc{"node_disk_filesystem_info", "Info about disk filesystem.", Gauge, []string{"device", "type", "usage", "uuid", "version"}}
	nodeDiskMapperInfo = Desc{"node_disk_device_mapper_info", "Info about disk device mapper.", Gauge, []string{"device", "name", "uuid", "vg_name", "lv_name", "lv_layer"}}
	nodeDiskATACache   = Desc{"node_disk_ata_write_cache", "ATA disk has a write cache.", Gauge, []string{"device"}}
	nodeDiskATACacheOn = Desc{"node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled.", Gauge, []string{"device"}}
	nodeDiskATARPM     = Desc{"node_disk_ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs).", Gauge, []string{"device"}}

	nodeDiskReads          = Desc{"node_disk_reads_completed_total", "The total number of reads completed successfully.", Counter, []string{"device"}}
	nodeDiskReadsMerged    = Desc{"node_disk_reads_merged_total", "The total number of reads merged.", Counter, []string{"device"}}
	nodeDiskReadBytes      = Desc{"node_disk_read_bytes_total", "The total number of bytes read successfully.", Counter, []string{"device"}}
	nodeDiskReadTime       = Desc{"node_disk_read_time_seconds_total", "The total number of seconds spent by all reads.", Counter, []string{"device"}}
	nodeDiskWrites         = Desc{"node_disk_writes_completed_total", "The total number of writes completed successfully.", Counter, []string{"device"}}
	nodeDiskWritesMerged   = Desc{"node_disk_writes_merged_total", "The number of writes merged.", Counter, []string{"device"}}
	nodeDiskWrittenBytes   = Desc{"node_disk_written_bytes_total", "The total number of bytes written successfully.", Counter, []string{"device"}}
	nodeDiskWriteTime      = Desc{"node_disk_write_time_seconds_total", "This is the total number of seconds spent by all writes.", Counter, []string{"device"}}
	nodeDiskIONow          = Desc{"node_disk_io_now", "The number of I/Os currently in progress.", Gauge, []string{"device"}}
	nodeDiskIOTime         = Desc{"node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", Counter, []string{"device"}}
	nodeDiskIOWeighted     = Desc{"node_disk_io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", Counter, []string{"device"}}
	nodeDiskDiscards       = Desc{"node_disk_discards_completed_total", "The total number of discards completed successfully.", Counter, []string{"device"}}
	nodeDiskDiscardsMerged = Desc{"node_disk_discards_merged_total", "The total number of discards merged.", Counter, []string{"device"}}
	nodeDiskDiscardSectors = Desc{"node_disk_discarded_sectors_total", "The total number of sectors discarded successfully.", Counter, []string{"device"}}
	nodeDiskDiscardTime    = Desc{"node_disk_discard_time_seconds_total", "This is the total number of seconds spent by all discards.", Counter, []string{"device"}}
	nodeDiskFlushes        = Desc{"node_disk_flush_requests_total", "The total number of flush requests completed successfully", Counter, []string{"device"}}
	nodeDiskFlushTime      = Desc{"node_disk_flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests.", Counter, []string{"device"}}
)

func newDiskIO(o *Options) *Part[DiskIO] {
	r := newDiskIOReader(o)
	return &Part[DiskIO]{
		Name: "diskio", Kind: Fast, Prime: true,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descDiskRead, &descDiskWritten, &descDiskReads, &descDiskWrites, &descDiskIOTime, &descDiskIONow},
		Node: []*Desc{
			&nodeDiskInfo, &nodeDiskFSInfo, &nodeDiskMapperInfo, &nodeDiskATACache, &nodeDiskATACacheOn, &nodeDiskATARPM,
			&nodeDiskReads, &nodeDiskReadsMerged, &nodeDiskReadBytes, &nodeDiskReadTime,
			&nodeDiskWrites, &nodeDiskWritesMerged, &nodeDiskWrittenBytes, &nodeDiskWriteTime,
			&nodeDiskIONow, &nodeDiskIOTime, &nodeDiskIOWeighted,
			&nodeDiskDiscards, &nodeDiskDiscardsMerged, &nodeDiskDiscardSectors, &nodeDiskDiscardTime, &nodeDiskFlushes, &nodeDiskFlushTime,
		},
		Emit: emitDiskIO, EmitNode: emitDiskIONode,
	}
}

func emitDiskIO(v *DiskIO, e *Emitter) {
	read, written, reads, writes := e.Family(&descDiskRead), e.Family(&descDiskWritten), e.Family(&descDiskReads), e.Family(&descDiskWrites)
	busy, now := e.Family(&descDiskIOTime), e.Family(&descDiskIONow)
	for i := range v.Devices {
		d := &v.Devices[i]
		if !d.Node {
			continue
		}
		read.Add(d.ReadBytes, d.Device)
		written.Add(d.WrittenBytes, d.Device)
		reads.Add(d.ReadsCompleted, d.Device)
		writes.Add(d.WritesCompleted, d.Device)
		busy.Add(d.IOTimeSeconds, d.Device)
		now.Add(d.IONow, d.Device)
	}
}

// emitDiskIONode writes one family after the other: a family is found once, however many devices there are.
func emitDiskIONode(v *DiskIO, e *Emitter) {
	for _, f := range diskNodeColumns {
		s := e.Family(f.desc)
		for i := range v.Devices {
			if d := &v.Devices[i]; d.Node {
				s.Add(f.of(d), d.Device)
			}
		}
	}
	for i := range v.Devices {
		if d := &v.Devices[i]; d.Node && d.meta != nil {
			emitDiskMeta(d, e)
		}
	}
}

var diskNodeColumns = [...]struct {
	desc *Desc
	of   func(*DiskDevice) float64
}{
	{&nodeDiskReads, func(d *DiskDevice) float64 { return d.ReadsCompleted }},
	{&nodeDiskReadsMerged, func(d *DiskDevice) float64 { return d.ReadsMerged }},
	{&nodeDiskReadBytes, func(d *DiskDevice) float64 { return d.ReadBytes }},
	{&nodeDiskReadTime, func(d *DiskDevice) float64 { return d.ReadTimeSeconds }},
	{&nodeDiskWrites, func(d *DiskDevice) float64 { return d.WritesCompleted }},
	{&nodeDiskWritesMerged, func(d *DiskDevice) float64 { return d.WritesMerged }},
	{&nodeDiskWrittenBytes, func(d *DiskDevice) float64 { return d.WrittenBytes }},
	{&nodeDiskWriteTime, func(d *DiskDevice) float64 { return d.WriteTimeSeconds }},
	{&nodeDiskIONow, func(d *DiskDevice) float64 { return d.IONow }},
	{&nodeDiskIOTime, func(d *DiskDevice) float64 { return d.IOTimeSeconds }},
	{&nodeDiskIOWeighted, func(d *DiskDevice) float64 { return d.WeightedIOSeconds }},
	{&nodeDiskDiscards, func(d *DiskDevice) float64 { return d.DiscardsCompleted }},
	{&nodeDiskDiscardsMerged, func(d *DiskDevice) float64 { return d.DiscardsMerged }},
	{&nodeDiskDiscardSectors, func(d *DiskDevice) float64 { return d.DiscardedSectors }},
	{&nodeDiskDiscardTime, func(d *DiskDevice) float64 { return d.DiscardTimeSeconds }},
	{&nodeDiskFlushes, func(d *DiskDevice) float64 { return d.FlushRequests }},
	{&nodeDiskFlushTime, func(d *DiskDevice) float64 { return d.FlushTimeSeconds }},
}

func emitDiskMeta(d *DiskDevice, e *Emitter) {
	u := d.meta.udev
	serial := u["SCSI_IDENT_SERIAL"]
	if serial == "" {
		serial = u["ID_SERIAL_SHORT"]
	}
	if serial == "" {
		serial = u["ID_SERIAL"]
	}
	e.Family(&nodeDiskInfo).Add(1, d.Device, d.major, d.minor, u["ID_PATH"], u["ID_WWN"], u["ID_MODEL"], serial, u["ID_REVISION"], d.meta.rotational)
	if t := u["ID_FS_TYPE"]; t != "" {
		e.Family(&nodeDiskFSInfo).Add(1, d.Device, t, u["ID_FS_USAGE"], u["ID_FS_UUID"], u["ID_FS_VERSION"])
	}
	if n := u["DM_NAME"]; n != "" {
		e.Family(&nodeDiskMapperInfo).Add(1, d.Device, n, u["DM_UUID"], u["DM_VG_NAME"], u["DM_LV_NAME"], u["DM_LV_LAYER"])
	}
	if u["ID_ATA"] != "" {
		e.Family(&nodeDiskATACache).Add(parseFloatString(u["ID_ATA_WRITE_CACHE"]), d.Device)
		e.Family(&nodeDiskATACacheOn).Add(parseFloatString(u["ID_ATA_WRITE_CACHE_ENABLED"]), d.Device)
		e.Family(&nodeDiskATARPM).Add(parseFloatString(u["ID_ATA_ROTATION_RATE_RPM"]), d.Device)
	}
}
