//go:build !linux

package exporter

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/host"
)

type sensorsReader struct{}

func newSensorsReader(*Options) *sensorsReader { return &sensorsReader{} }

// read returns the temperatures that gopsutil finds: ACPI zones on Windows (administrators only), the SMC on macOS.
func (r *sensorsReader) read(ctx context.Context) (*Sensors, error) {
	all, err := host.SensorsTemperaturesWithContext(ctx)
	v := &Sensors{}
	for _, t := range all {
		if t.Temperature <= 0 { // a sensor that is not fitted
			continue
		}
		v.Temperatures = append(v.Temperatures, Temperature{
			Chip: "system", ChipName: "system", Sensor: t.SensorKey, Celsius: t.Temperature,
			MaxCelsius: positive(t.High), CriticalCelsius: positive(t.Critical),
		})
	}
	v.putNames()
	switch {
	case len(v.Temperatures) > 0:
		return v, nil
	case err != nil:
		return nil, fmt.Errorf("read temperatures: %w: %w", err, ErrNoData) // no right to ask is no failure of ours
	}
	return nil, ErrNoData
}

func positive(v float64) float64 {
	if v <= 0 {
		return unknown()
	}
	return v
}
