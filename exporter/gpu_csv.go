package exporter

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Queries of nvidia-smi (nvidia-smi --help-query-gpu, --help-query-compute-apps). "count" is the number of GPUs, by which the
// end of a round of lines is known.
const (
	smiGPUFields = "count,index,uuid,name,driver_version,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,fan.speed,clocks.sm"
	smiAppFields = "gpu_uuid,pid,process_name,used_memory"
)

const mebi = 1 << 20

// smiGPU is one line of the query for GPUs.
type smiGPU struct {
	count int
	uuid  string
	gpu   GPU
}

var errSMILine = errors.New("not a line of nvidia-smi's answer")

// parseSMIGPU reads "count, index, uuid, name, driver, %, MiB, MiB, C, W, %, MHz". What the driver does not tell ("[N/A]",
// "[Not Supported]", "[Unknown Error]") is NaN. The name may hold commas.
func parseSMIGPU(line string) (g smiGPU, err error) {
	f := strings.Split(line, ", ")
	extra := len(f) - strings.Count(smiGPUFields, ",") - 1
	if extra < 0 {
		return g, errSMILine
	}
	name := strings.Join(f[3:4+extra], ", ")
	f = append(f[:4:4], f[4+extra:]...)
	g.count, err = strconv.Atoi(strings.TrimSpace(f[0]))
	index, err2 := strconv.Atoi(strings.TrimSpace(f[1]))
	g.uuid = strings.TrimSpace(f[2])
	if err != nil || err2 != nil || index < 0 || g.count < 1 || g.uuid == "" {
		return g, errSMILine
	}
	g.gpu = GPU{
		ID: strconv.Itoa(index), Vendor: "nvidia", Name: smiText(name), Driver: smiText(f[4]),
		UtilizationRatio: smiNumber(f[5], 1) / 100, MemoryUsedBytes: smiNumber(f[6], mebi), MemoryTotalBytes: smiNumber(f[7], mebi),
		TemperatureCelsius: smiNumber(f[8], 1), PowerWatts: smiNumber(f[9], 1), FanRatio: smiNumber(f[10], 1) / 100,
		ClockHertz: smiNumber(f[11], 1e6),
	}
	return g, nil
}

// parseSMIApp reads "gpu uuid, pid, program, MiB". The program is a path that may hold commas; its base name is taken.
func parseSMIApp(line string) (uuid string, p GPUProcess, err error) {
	uuid, rest, ok1 := strings.Cut(line, ", ")
	number, rest, ok2 := strings.Cut(rest, ", ")
	comma := strings.LastIndex(rest, ", ")
	uuid = strings.TrimSpace(uuid)
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if !ok1 || !ok2 || comma < 0 || err != nil || pid < 0 || uuid == "" {
		return "", p, errSMILine
	}
	name := strings.TrimSpace(rest[:comma])
	if !strings.HasPrefix(name, "[") { // "[Not Found]", "[Insufficient Permissions]"
		name = name[strings.LastIndexAny(name, `/\`)+1:]
	}
	if name = cleanName([]byte(name)); name == "" {
		name = "unknown"
	}
	return uuid, GPUProcess{PID: pid, Name: name, MemoryUsedBytes: smiNumber(rest[comma+2:], mebi)}, nil
}

// smiNumber is a number in the given unit, NaN when there is none.
func smiNumber(s string, unit float64) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsInf(v, 0) || v < -300 {
		return unknown()
	}
	return v * unit
}

// smiText is a text, "" where the driver does not tell.
func smiText(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return ""
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// smiRound gathers the lines of one round of all GPUs.
type smiRound struct {
	list  []GPU
	uuids []string
}

// add takes a line in and returns the round when the line completes it, or, when the line begins a new round, what there is
// of the one before: a GPU may have fallen off its bus.
func (r *smiRound) add(g smiGPU) (done []GPU, uuids []string) {
	for _, u := range r.uuids {
		if u == g.uuid {
			done, uuids = r.list, r.uuids
			*r = smiRound{}
			break
		}
	}
	r.list, r.uuids = append(r.list, g.gpu), append(r.uuids, g.uuid)
	if len(r.list) >= g.count {
		done, uuids = r.list, r.uuids
		*r = smiRound{}
	}
	return done, uuids
}

// smiApp is the last line about one process on one GPU. Rounds without any process print nothing, so a process counts as
// ended when its line was not repeated.
type smiApp struct {
	process GPUProcess
	at      time.Time
}
