package exporter

import "math"

// Sensors is the reading of the sensors collector.
type Sensors struct {
	Temperatures []Temperature
	Fans         []Fan
}

// Temperature is one sensor. Chip is as node_exporter names it (hwmon), Sensor the kernel's sensor (temp1), Label what the
// driver calls it ("Core 0"), or "". Limits are NaN where there are none.
type Temperature struct {
	Chip, ChipName, Sensor, Label string
	Celsius                       float64
	MaxCelsius, CriticalCelsius   float64
	Zone                          bool // a thermal zone (Chip = zone number, Sensor = its type), not a hwmon chip
}

// Fan is one fan; RPM is revolutions per minute.
type Fan struct {
	Chip, ChipName, Sensor, Label string
	RPM                           float64
}

// MaxCelsius is the hottest sensor, NaN when there is none.
func (s *Sensors) MaxCelsius() float64 {
	hottest := math.NaN()
	for _, t := range s.Temperatures {
		if math.IsNaN(hottest) || t.Celsius > hottest {
			hottest = t.Celsius
		}
	}
	return hottest
}
