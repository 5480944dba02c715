//go:build !linux

package exporter

// missingElsewhere names the families that some systems do not have.
func missingElsewhere(name string) bool {
	return name == "controlcenter_cpu_seconds_total" || name == "controlcenter_cpu_usage_ratio" || name == "controlcenter_cpu_core_usage_ratio"
}
