package api

import (
	"context"
	"math"
	"runtime"
	"strings"
	"time"

	"controlcenter/exporter"
)

// InfoBody is the answer of GET /api/system/info. The names in camelCase are those that clients read.
type InfoBody struct {
	Success             bool   `json:"success"`
	OS                  string `json:"os" example:"Linux 6.1"`
	Python              string `json:"python" doc:"n/a, kept for older clients"`
	Hostname            string `json:"hostname"`
	Uptime              num    `json:"uptime" doc:"Whole seconds"`
	Platform            string `json:"platform" example:"Linux"`
	PlatformRelease     string `json:"platform_release"`
	PlatformVersion     string `json:"platform_version"`
	Arch                string `json:"arch"`
	Processor           string `json:"processor"`
	TotalMemory         num    `json:"totalMemory" doc:"Bytes"`
	CPUCores            int    `json:"cpuCores" doc:"Logical"`
	CPUCoresPhysical    *int   `json:"cpuCoresPhysical"`
	BootTime            num    `json:"boot_time" doc:"Unix seconds"`
	Distribution        string `json:"distribution" example:"debian"`
	DistributionVersion string `json:"distribution_version" example:"12.5"`
	Version             string `json:"version" doc:"Of this program"`
	Go                  string `json:"go_version"`
	Timestamp           string `json:"timestamp" format:"date-time"`
}

func (s *Server) info(ctx context.Context, _ *noInput) (*answerOf[InfoBody], error) {
	return ok(s.infoBody(s.fresh(ctx))), nil
}

func (s *Server) infoBody(snap *exporter.Snapshot) InfoBody {
	b := InfoBody{
		Success: true, Python: "n/a", Platform: systemName(runtime.GOOS), OS: systemName(runtime.GOOS), Arch: runtime.GOARCH,
		Uptime: unknown(), TotalMemory: unknown(), BootTime: unknown(), CPUCores: runtime.NumCPU(),
		Version: s.o.Version, Go: runtime.Version(), Timestamp: stamp(time.Now()),
	}
	h := exporter.Get[exporter.Host](snap)
	if h == nil {
		return b
	}
	b.Hostname, b.Processor = h.Hostname, h.CPUModel
	b.Platform = systemName(h.OS)
	b.PlatformRelease, b.PlatformVersion = h.Kernel, h.KernelVersion
	b.OS = strings.TrimSpace(b.Platform + " " + majorMinor(h.Kernel))
	b.Arch = h.Machine
	if b.Arch == "" {
		b.Arch = h.Arch
	}
	b.Distribution, b.DistributionVersion = h.Platform, h.PlatformVersion
	b.Uptime = num(math.Floor(float64(uptimeOf(h))))
	b.BootTime, b.TotalMemory = num(math.Floor(h.BootTimeSeconds)), whole(h.MemoryTotalBytes)
	if h.CPUCores > 0 {
		b.CPUCores = h.CPUCores
	}
	b.CPUCoresPhysical = given(h.CPUCoresPhysical)
	return b
}

// systemName is how the old backend (and uname) spell it.
func systemName(goos string) string {
	switch goos {
	case "linux":
		return "Linux"
	case "windows":
		return "Windows"
	case "darwin":
		return "Darwin"
	}
	return goos
}

// majorMinor cuts "6.1.0-18-amd64" to "6.1".
func majorMinor(release string) string {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return release
	}
	return parts[0] + "." + parts[1]
}
