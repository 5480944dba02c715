//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"strings"

	"github.com/shirou/gopsutil/v3/net"
)

type tcpReader struct{}

func newTCPReader(*Options) *tcpReader { return &tcpReader{} }

func (r *tcpReader) close() error { return nil }

func (r *tcpReader) read(ctx context.Context) (*TCP, error) {
	all, err := net.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return nil, fmt.Errorf("read tcp sockets: %w", noData(err))
	}
	number := map[string]uint8{"closed": 7, "synreceived": 3, "delete": 7}
	for i, name := range tcpStates {
		number[plainState(name)] = uint8(i)
	}
	var c tcpCounts
	for i := range all {
		c.add(number[plainState(all[i].Status)])
	}
	v := c.reading()
	return v, nil
}

// plainState makes FIN_WAIT_1, FIN_WAIT1 and fin_wait1 the same.
func plainState(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "") }
