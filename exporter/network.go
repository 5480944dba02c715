package exporter

// Network is the reading of the network collector.
type Network struct {
	Devices                                       []NetworkDevice
	ReceiveBytesPerSecond, TransmitBytesPerSecond float64 // all devices but loopback, over the last round; NaN before the second reading
}

// NetworkDevice is one interface; counters since it came up.
type NetworkDevice struct {
	Device   string
	Loopback bool
	Up       bool
	Receive  NetworkCounters
	Transmit NetworkCounters
	// Multicast packets received; receive side of Frame, transmit side of Collisions and Carrier. NaN where unknown.
	Multicast, Frame, Collisions, Carrier         float64
	ReceiveBytesPerSecond, TransmitBytesPerSecond float64
}

// NetworkCounters are one direction of an interface. NaN where unknown.
type NetworkCounters struct{ Bytes, Packets, Errors, Drops, FIFO, Compressed float64 }
