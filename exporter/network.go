package exporter

import "time"

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
	NoHandler                                     float64 // packets received that nobody wanted; NaN where unknown
	ReceiveBytesPerSecond, TransmitBytesPerSecond float64
}

// NetworkCounters are one direction of an interface. NaN where unknown.
type NetworkCounters struct{ Bytes, Packets, Errors, Drops, FIFO, Compressed float64 }

var (
	descNetReceiveBytes    = Desc{"controlcenter_network_receive_bytes_total", "Bytes received by the interface since it came up.", Counter, []string{"device"}}
	descNetReceivePackets  = Desc{"controlcenter_network_receive_packets_total", "Packets received by the interface since it came up.", Counter, []string{"device"}}
	descNetReceiveErrors   = Desc{"controlcenter_network_receive_errors_total", "Packets that could not be received for an error of line or device.", Counter, []string{"device"}}
	descNetReceiveDrops    = Desc{"controlcenter_network_receive_drops_total", "Packets dropped that should have been received, for want of room or by rule.", Counter, []string{"device"}}
	descNetTransmitBytes   = Desc{"controlcenter_network_transmit_bytes_total", "Bytes sent by the interface since it came up.", Counter, []string{"device"}}
	descNetTransmitPackets = Desc{"controlcenter_network_transmit_packets_total", "Packets sent by the interface since it came up.", Counter, []string{"device"}}
	descNetTransmitErrors  = Desc{"controlcenter_network_transmit_errors_total", "Packets that could not be sent for an error of line or device.", Counter, []string{"device"}}
	descNetTransmitDrops   = Desc{"controlcenter_network_transmit_drops_total", "Packets dropped that should have been sent, for want of room or by rule.", Counter, []string{"device"}}
	descNetUp              = Desc{"controlcenter_network_up", "Whether the interface is up and has a link (1) or not (0).", Gauge, []string{"device"}}

	nodeNetReceiveBytes       = Desc{"node_network_receive_bytes_total", "Network device statistic receive_bytes.", Counter, []string{"device"}}
	nodeNetReceivePackets     = Desc{"node_network_receive_packets_total", "Network device statistic receive_packets.", Counter, []string{"device"}}
	nodeNetReceiveErrs        = Desc{"node_network_receive_errs_total", "Network device statistic receive_errs.", Counter, []string{"device"}}
	nodeNetReceiveDrop        = Desc{"node_network_receive_drop_total", "Network device statistic receive_drop.", Counter, []string{"device"}}
	nodeNetReceiveFIFO        = Desc{"node_network_receive_fifo_total", "Network device statistic receive_fifo.", Counter, []string{"device"}}
	nodeNetReceiveFrame       = Desc{"node_network_receive_frame_total", "Network device statistic receive_frame.", Counter, []string{"device"}}
	nodeNetReceiveCompressed  = Desc{"node_network_receive_compressed_total", "Network device statistic receive_compressed.", Counter, []string{"device"}}
	nodeNetReceiveMulticast   = Desc{"node_network_receive_multicast_total", "Network device statistic receive_multicast.", Counter, []string{"device"}}
	nodeNetReceiveNoHandler   = Desc{"node_network_receive_nohandler_total", "Network device statistic receive_nohandler.", Counter, []string{"device"}}
	nodeNetTransmitBytes      = Desc{"node_network_transmit_bytes_total", "Network device statistic transmit_bytes.", Counter, []string{"device"}}
	nodeNetTransmitPackets    = Desc{"node_network_transmit_packets_total", "Network device statistic transmit_packets.", Counter, []string{"device"}}
	nodeNetTransmitErrs       = Desc{"node_network_transmit_errs_total", "Network device statistic transmit_errs.", Counter, []string{"device"}}
	nodeNetTransmitDrop       = Desc{"node_network_transmit_drop_total", "Network device statistic transmit_drop.", Counter, []string{"device"}}
	nodeNetTransmitFIFO       = Desc{"node_network_transmit_fifo_total", "Network device statistic transmit_fifo.", Counter, []string{"device"}}
	nodeNetTransmitColls      = Desc{"node_network_transmit_colls_total", "Network device statistic transmit_colls.", Counter, []string{"device"}}
	nodeNetTransmitCarrier    = Desc{"node_network_transmit_carrier_total", "Network device statistic transmit_carrier.", Counter, []string{"device"}}
	nodeNetTransmitCompressed = Desc{"node_network_transmit_compressed_total", "Network device statistic transmit_compressed.", Counter, []string{"device"}}
)

func newNetwork(o *Options) *Part[Network] {
	r := newNetworkReader(o)
	return &Part[Network]{
		Name: "network", Kind: Fast, Prime: true,
		Read: r.read, Close: r.close,
		Metrics: append(columnDescs(networkColumns[:]), &descNetUp),
		Node:    columnDescs(networkNodeColumns[:]),
		Emit: func(v *Network, e *Emitter) {
			emitNetworkColumns(v, e, networkColumns[:])
			up := e.Family(&descNetUp)
			for i := range v.Devices {
				up.Bool(v.Devices[i].Up, v.Devices[i].Device)
			}
		},
		EmitNode: func(v *Network, e *Emitter) { emitNetworkColumns(v, e, networkNodeColumns[:]) },
	}
}

// networkColumn is one counter of a device and the family that shows it.
type networkColumn struct {
	desc *Desc
	of   func(*NetworkDevice) float64
}

func emitNetworkColumns(v *Network, e *Emitter, columns []networkColumn) {
	for _, c := range columns {
		s := e.Family(c.desc)
		for i := range v.Devices {
			d := &v.Devices[i]
			s.Add(c.of(d), d.Device)
		}
	}
}

func columnDescs(columns []networkColumn) []*Desc {
	list := make([]*Desc, 0, len(columns)+1)
	for _, c := range columns {
		list = append(list, c.desc)
	}
	return list
}

var networkColumns = [...]networkColumn{
	{&descNetReceiveBytes, func(d *NetworkDevice) float64 { return d.Receive.Bytes }},
	{&descNetReceivePackets, func(d *NetworkDevice) float64 { return d.Receive.Packets }},
	{&descNetReceiveErrors, func(d *NetworkDevice) float64 { return d.Receive.Errors }},
	{&descNetReceiveDrops, func(d *NetworkDevice) float64 { return d.Receive.Drops }},
	{&descNetTransmitBytes, func(d *NetworkDevice) float64 { return d.Transmit.Bytes }},
	{&descNetTransmitPackets, func(d *NetworkDevice) float64 { return d.Transmit.Packets }},
	{&descNetTransmitErrors, func(d *NetworkDevice) float64 { return d.Transmit.Errors }},
	{&descNetTransmitDrops, func(d *NetworkDevice) float64 { return d.Transmit.Drops }},
}

var networkNodeColumns = [...]networkColumn{
	{&nodeNetReceiveBytes, func(d *NetworkDevice) float64 { return d.Receive.Bytes }},
	{&nodeNetReceivePackets, func(d *NetworkDevice) float64 { return d.Receive.Packets }},
	{&nodeNetReceiveErrs, func(d *NetworkDevice) float64 { return d.Receive.Errors }},
	{&nodeNetReceiveDrop, func(d *NetworkDevice) float64 { return d.Receive.Drops }},
	{&nodeNetReceiveFIFO, func(d *NetworkDevice) float64 { return d.Receive.FIFO }},
	{&nodeNetReceiveFrame, func(d *NetworkDevice) float64 { return d.Frame }},
	{&nodeNetReceiveCompressed, func(d *NetworkDevice) float64 { return d.Receive.Compressed }},
	{&nodeNetReceiveMulticast, func(d *NetworkDevice) float64 { return d.Multicast }},
	{&nodeNetReceiveNoHandler, func(d *NetworkDevice) float64 { return d.NoHandler }},
	{&nodeNetTransmitBytes, func(d *NetworkDevice) float64 { return d.Transmit.Bytes }},
	{&nodeNetTransmitPackets, func(d *NetworkDevice) float64 { return d.Transmit.Packets }},
	{&nodeNetTransmitErrs, func(d *NetworkDevice) float64 { return d.Transmit.Errors }},
	{&nodeNetTransmitDrop, func(d *NetworkDevice) float64 { return d.Transmit.Drops }},
	{&nodeNetTransmitFIFO, func(d *NetworkDevice) float64 { return d.Transmit.FIFO }},
	{&nodeNetTransmitColls, func(d *NetworkDevice) float64 { return d.Collisions }},
	{&nodeNetTransmitCarrier, func(d *NetworkDevice) float64 { return d.Carrier }},
	{&nodeNetTransmitCompressed, func(d *NetworkDevice) float64 { return d.Transmit.Compressed }},
}

// putRates fills the rates of a reading.
func (v *Network) putRates(r *deviceRates, now time.Time) {
	v.ReceiveBytesPerSecond, v.TransmitBytesPerSecond = unknown(), unknown()
	r.begin(now)
	for i := range v.Devices {
		d := &v.Devices[i]
		d.ReceiveBytesPerSecond, d.TransmitBytesPerSecond = r.pair(d.Device, d.Receive.Bytes, d.Transmit.Bytes)
		if !d.Loopback {
			addKnown(&v.ReceiveBytesPerSecond, d.ReceiveBytesPerSecond)
			addKnown(&v.TransmitBytesPerSecond, d.TransmitBytesPerSecond)
		}
	}
	r.end()
}
