package app

import (
	"github.com/prometheus/common/version"

	"controlcenter/internal/api"
	"controlcenter/internal/mcp"
)

// mcp gives agents the parts that are there.
func (d *daemonState) mcp() api.Agents {
	return mcp.New(mcp.Options{
		Sampler: d.sampler, Services: d.services.manager, Logs: d.services.logs, Base: d.knowledge.base, Searcher: d.knowledge.searcher, Version: version.Version, Log: d.log.With("component", "mcp"), Actor: api.Caller,
	})
}
