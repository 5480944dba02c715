package exporter

// table builds every part. A new collector is one file and one line here.
func table(o *Options) []Source {
	return []Source{
		newProcesses(o),
		newPorts(o),
		newSockets(o),
		newGPU(o),
	}
}
