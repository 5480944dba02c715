//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"
)

type filesystemReader struct {
	asker mountAsker
	main  string
}

func newFilesystemReader(*Options) *filesystemReader {
	main := "/"
	if d := os.Getenv("SystemDrive"); d != "" { // Windows: "C:"
		main = d
	}
	return &filesystemReader{main: strings.ToLower(main)}
}

func (r *filesystemReader) close() error { return nil }

func (r *filesystemReader) read(ctx context.Context) (*Filesystems, error) {
	parts, err := disk.PartitionsWithContext(ctx, false)
	if len(parts) == 0 && err != nil {
		return nil, fmt.Errorf("read mounts: %w", noData(err))
	}
	var mounts []mount
	for _, p := range parts {
		m := mount{id: p.Device, path: p.Mountpoint, fs: Filesystem{
			Device: strings.ToValidUTF8(p.Device, "\uFFFD"), Mountpoint: strings.ToValidUTF8(p.Mountpoint, "\uFFFD"), Type: p.Fstype,
			ReadOnly: slices.Contains(p.Opts, "ro"), Node: p.Fstype != "devfs" && p.Fstype != "autofs",
		}}
		m.fs.Main = strings.TrimSuffix(strings.ToLower(p.Mountpoint), `\`) == r.main || p.Mountpoint == r.main
		same := func(o mount) bool { return o.fs.Mountpoint == m.fs.Mountpoint }
		if (m.fs.Node || m.fs.Main) && !slices.ContainsFunc(mounts, same) {
			mounts = append(mounts, m)
		}
	}
	return r.asker.ask(ctx, mounts)
}

func statMount(path string) (n mountNumbers) {
	u, err := disk.Usage(path)
	if err != nil {
		n.err = err
		return n
	}
	n.size, n.available, n.free = float64(u.Total), float64(u.Free), float64(u.Total-u.Used)
	n.files, n.filesFree = float64(u.InodesTotal), float64(u.InodesFree)
	return n
}
