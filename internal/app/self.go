package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
)

// registerSelf adds what the program tells of itself: go_*, process_* and controlcenter_build_info.
func registerSelf(r *prometheus.Registry) {
	r.MustRegister(collectors.NewGoCollector(), processCollector(), versioncollector.NewCollector("controlcenter"))
}
