package app

import (
	"fmt"
	"strings"

	"controlcenter/internal/config"
)

// greet tells a person at a terminal where the daemon is and what to try next.
func (d *daemonState) greet(c *config.Config, ls []*listener) {
	var urls []string
	for _, l := range ls {
		d.log.Info("listening", "url", l.url())
		if !l.unix {
			urls = append(urls, l.url())
		}
	}
	w := d.o.Stdout
	if w == nil || len(urls) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "Control Center runs at %s\n", strings.Join(urls, " and "))
	_, _ = fmt.Fprintf(w, "Try next:\n  controlcenter status\n  controlcenter ports\n  curl %s/metrics\n", urls[0])
	_, _ = fmt.Fprintf(w, "State is kept in %s. Ctrl-C stops it; services go on until \"controlcenter down\".\n", c.Storage.Path)
}
