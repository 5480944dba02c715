package exporter

// TCP is the reading of the tcp collector: sockets by state, in node_exporter's spelling (established, time_wait, listen, ...).
// Every state of the platform is present, at 0 where it has no socket.
type TCP struct{ States []NamedValue }
