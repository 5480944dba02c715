package exporter

// Load is the reading of the load collector: runnable (on Linux also uninterruptible) tasks, averaged over 1, 5 and 15 minutes.
type Load struct{ Load1, Load5, Load15 float64 }

var (
	descLoad1  = Desc{"controlcenter_load1", "Runnable (Linux: and uninterruptible) tasks, averaged over 1 minute (/proc/loadavg).", Gauge, nil}
	descLoad5  = Desc{"controlcenter_load5", "Runnable (Linux: and uninterruptible) tasks, averaged over 5 minutes (/proc/loadavg).", Gauge, nil}
	descLoad15 = Desc{"controlcenter_load15", "Runnable (Linux: and uninterruptible) tasks, averaged over 15 minutes (/proc/loadavg).", Gauge, nil}

	nodeLoad1  = Desc{"node_load1", "1m load average.", Gauge, nil}
	nodeLoad5  = Desc{"node_load5", "5m load average.", Gauge, nil}
	nodeLoad15 = Desc{"node_load15", "15m load average.", Gauge, nil}
)

func newLoad(o *Options) *Part[Load] {
	r := newLoadReader(o)
	return &Part[Load]{
		Name: "load", Kind: Fast,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descLoad1, &descLoad5, &descLoad15},
		Node:    []*Desc{&nodeLoad1, &nodeLoad5, &nodeLoad15},
		Emit: func(v *Load, e *Emitter) {
			e.Family(&descLoad1).Add(v.Load1)
			e.Family(&descLoad5).Add(v.Load5)
			e.Family(&descLoad15).Add(v.Load15)
		},
		EmitNode: func(v *Load, e *Emitter) {
			e.Family(&nodeLoad1).Add(v.Load1)
			e.Family(&nodeLoad5).Add(v.Load5)
			e.Family(&nodeLoad15).Add(v.Load15)
		},
	}
}
