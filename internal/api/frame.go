package api

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"controlcenter/exporter"
)

// The frame stays near 2 kB on machines with many parts: what is longer is in GET /api/system/stats.
const (
	frameCores   = 128
	frameGPUs    = 4
	frameSensors = 6
)

// SystemFrame is one message of /ws and /api/system/ws.
type SystemFrame struct {
	Type         string       `json:"type" example:"system_stats"`
	Timestamp    string       `json:"timestamp" format:"date-time"`
	CPU          FrameCPU     `json:"cpu"`
	Memory       FrameUsage   `json:"memory"`
	Disk         FrameUsage   `json:"disk" doc:"The main volume"`
	Swap         SwapStats    `json:"swap"`
	Load         LoadStats    `json:"load"`
	Network      FrameRates   `json:"network"`
	DiskIO       FrameIO      `json:"disk_io"`
	Cores        []num        `json:"cores" doc:"Percent per core"`
	GPUs         []FrameGPU   `json:"gpus"`
	Temperatures []FrameTemps `json:"temperatures" doc:"The hottest sensors"`
}

// FrameCPU has the same number under both names that clients read.
type FrameCPU struct {
	Usage        num `json:"usage"`
	UsagePercent num `json:"usage_percent"`
}

// FrameUsage is bytes, percent and 2^30 bytes.
type FrameUsage struct {
	Total   num `json:"total"`
	Used    num `json:"used"`
	Percent num `json:"percent"`
	UsedGB  num `json:"used_gb"`
	TotalGB num `json:"total_gb"`
}

// FrameRates is the network.
type FrameRates struct {
	Receive  num `json:"receive_bytes_per_second"`
	Transmit num `json:"transmit_bytes_per_second"`
}

// FrameIO is the whole disks.
type FrameIO struct {
	Read    num `json:"read_bytes_per_second"`
	Written num `json:"written_bytes_per_second"`
}

// FrameGPU is one graphics processor.
type FrameGPU struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Utilization num    `json:"utilization_percent"`
	MemoryUsed  num    `json:"memory_used"`
	MemoryTotal num    `json:"memory_total"`
	Celsius     num    `json:"temperature_celsius"`
}

// FrameTemps is one sensor.
type FrameTemps struct {
	Name    string `json:"name"`
	Celsius num    `json:"celsius"`
}

// MetricsFrame is one message of /api/system/metrics: percents.
type MetricsFrame struct {
	CPU       num    `json:"cpu"`
	Memory    num    `json:"memory"`
	Disk      num    `json:"disk"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func systemFrame(snap *exporter.Snapshot) SystemFrame {
	cpu, mem, disk := cpuOf(snap), memoryOf(snap), mainDiskOf(snap)
	f := SystemFrame{
		Type: "system_stats", Timestamp: stamp(snap.At),
		CPU:    FrameCPU{cpu.Usage, cpu.UsagePercent},
		Memory: FrameUsage{mem.Total, mem.Used, mem.Percent, mem.UsedGB, mem.TotalGB},
		Disk:   FrameUsage{disk.Total, disk.Used, disk.Percent, disk.UsedGB, disk.TotalGB},
		Swap:   swapOf(snap), Load: loadOf(snap),
		Network: FrameRates{unknown(), unknown()}, DiskIO: FrameIO{unknown(), unknown()},
		Cores: []num{}, GPUs: []FrameGPU{}, Temperatures: hottest(snap),
	}
	if v := exporter.Get[exporter.Network](snap); v != nil {
		f.Network = FrameRates{whole(v.ReceiveBytesPerSecond), whole(v.TransmitBytesPerSecond)}
	}
	if v := exporter.Get[exporter.DiskIO](snap); v != nil {
		f.DiskIO = FrameIO{whole(v.ReadBytesPerSecond), whole(v.WrittenBytesPerSecond)}
	}
	if v := exporter.Get[exporter.CPU](snap); v != nil {
		for _, c := range v.Cores[:min(frameCores, len(v.Cores))] {
			f.Cores = append(f.Cores, percent(c.UsageRatio))
		}
	}
	if v := exporter.Get[exporter.GPUs](snap); v != nil {
		for _, g := range v.List[:min(frameGPUs, len(v.List))] {
			f.GPUs = append(f.GPUs, FrameGPU{
				g.ID, clip(g.Name), percent(g.UtilizationRatio), whole(g.MemoryUsedBytes), whole(g.MemoryTotalBytes), round1(g.TemperatureCelsius),
			})
		}
	}
	return f
}

// hottest picks the warmest sensors, in the order of the machine.
func hottest(snap *exporter.Snapshot) []FrameTemps {
	out := []FrameTemps{}
	v := exporter.Get[exporter.Sensors](snap)
	if v == nil {
		return out
	}
	floor := math.Inf(-1)
	if len(v.Temperatures) > frameSensors {
		floor = nthWarmest(v.Temperatures, frameSensors)
	}
	for _, t := range v.Temperatures {
		if t.Celsius >= floor && len(out) < frameSensors {
			name := t.Label
			if name == "" {
				name = t.Sensor
			}
			if t.ChipName != "" {
				name = t.ChipName + " " + name
			}
			out = append(out, FrameTemps{clip(name), round1(t.Celsius)})
		}
	}
	return out
}

// nthWarmest finds the n-th highest temperature without sorting a copy; n is small.
func nthWarmest(list []exporter.Temperature, n int) float64 {
	top := make([]float64, 0, n+1)
	for _, t := range list {
		if math.IsNaN(t.Celsius) {
			continue
		}
		i := len(top)
		for i > 0 && top[i-1] < t.Celsius {
			i--
		}
		top = append(top, 0)
		copy(top[i+1:], top[i:])
		top[i] = t.Celsius
		top = top[:min(len(top), n)]
	}
	if len(top) == 0 {
		return math.Inf(-1)
	}
	return top[len(top)-1]
}

// clip keeps names of devices from making frames long.
func clip(s string) string {
	const most = 48
	if len(s) <= most {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:most]), nil))
}

func metricsFrame(snap *exporter.Snapshot, now time.Time) MetricsFrame {
	return MetricsFrame{cpuOf(snap).Usage, memoryOf(snap).Percent, mainDiskOf(snap).Percent, stamp(now)}
}

// message is a frame as it goes over the wire (RFC 6455 section 5.2: header, then payload), encoded once for all clients.
type message struct {
	plain  []byte
	pinged []byte // the same behind a ping, in one write
}

const (
	finText = 0x81 // FIN, opcode text
	finPing = 0x89
	finPong = 0x8a
)

// pingFrame asks a client to show that it still reads.
func pingFrame() []byte { return []byte{finPing, 0} }

func prepare(v any) (*message, error) {
	body, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	return prepared(body), nil
}

// prepared makes a message of a payload that is encoded already.
func prepared(body []byte) *message {
	b := append(pingFrame(), finText)
	switch n := len(body); {
	case n < 126:
		b = append(b, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	b = append(b, body...)
	return &message{plain: b[2:], pinged: b}
}
