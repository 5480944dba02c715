//go:build !linux

package exporter

import "strings"

// noData turns gopsutil's "not implemented yet" into ErrNoData; it exports no error value to compare with everywhere.
func noData(err error) error {
	if err != nil && strings.Contains(err.Error(), "not implemented") {
		return ErrNoData
	}
	return err
}
