package exporter

// Load is the reading of the load collector: runnable (on Linux also uninterruptible) tasks, averaged over 1, 5 and 15 minutes.
type Load struct{ Load1, Load5, Load15 float64 }
