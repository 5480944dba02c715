package exporter

// table builds every part. A new collector is one file and one line here.
func table(o *Options) []Source {
	return []Source{
		newCPU(o),
		newMemory(o),
		newLoad(o),
		newPressure(o),
		newFilesystem(o),
		newDiskIO(o),
		newNetwork(o),
		newTCP(o),
		newSensors(o),
		newHost(o),
		newTextfile(o),
		newProcesses(o),
		newPorts(o),
		newSockets(o),
		newGPU(o),
	}
}
