package exporter

import (
	"math"
	"time"
)

// Sensors is the reading of the sensors collector.
type Sensors struct {
	Temperatures []Temperature
	Fans         []Fan

	node []nodeSample // what /metrics/node shows of them and of the other sensors
}

// nodeSample is one series of a family that only the machine's drivers name.
type nodeSample struct {
	desc   *Desc
	labels []string
	value  float64
}

// Temperature is one sensor. Chip is as node_exporter names it (hwmon), Sensor the kernel's sensor (temp1), Label what the
// driver calls it ("Core 0"), or "". Limits are NaN where there are none.
type Temperature struct {
	Chip, ChipName, Sensor, Label string
	Celsius                       float64
	MaxCelsius, CriticalCelsius   float64
	// Name is unique within the chip: the label, or the sensor where it has none or shares it with another.
	Name string
	Zone bool // a thermal zone (Chip = zone number, Sensor = its type), not a hwmon chip
}

// Fan is one fan; RPM is revolutions per minute.
type Fan struct {
	Chip, ChipName, Sensor, Label string
	RPM                           float64
	Name                          string // unique within the chip, as a temperature's
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

var (
	descTemperature = Desc{"controlcenter_temperature_celsius", "Temperature in degrees Celsius (Linux: hwmon and thermal zones of /sys), read every 5 s.", Gauge, []string{"chip", "sensor"}}
	descFan         = Desc{"controlcenter_fan_rpm", "Speed of a fan in revolutions per minute (Linux: hwmon of /sys), read every 5 s.", Gauge, []string{"chip", "sensor"}}

	nodeZoneTemp   = Desc{"node_thermal_zone_temp", "Zone temperature in Celsius", Gauge, []string{"zone", "type"}}
	nodeCoolingNow = Desc{"node_cooling_device_cur_state", "Current throttle state of the cooling device", Gauge, []string{"name", "type"}}
	nodeCoolingMax = Desc{"node_cooling_device_max_state", "Maximum throttle state of the cooling device", Gauge, []string{"name", "type"}}
)

func newSensors(o *Options) *Part[Sensors] {
	r := newSensorsReader(o)
	return &Part[Sensors]{
		Name: "sensors", Kind: Dear, Every: 5 * time.Second, Deadline: 2 * time.Second,
		Read:    r.read,
		Metrics: []*Desc{&descTemperature, &descFan},
		Node:    append(pointers(nodeHwmon), &nodeZoneTemp, &nodeCoolingNow, &nodeCoolingMax),
		Emit:    emitSensors,
		EmitNode: func(v *Sensors, e *Emitter) {
			for i := range v.node {
				e.Family(v.node[i].desc).Add(v.node[i].value, v.node[i].labels...)
			}
		},
	}
}

func emitSensors(v *Sensors, e *Emitter) {
	temperature, fan := e.Family(&descTemperature), e.Family(&descFan)
	for i := range v.Temperatures {
		t := &v.Temperatures[i]
		chip := t.Chip
		if t.Zone {
			chip = "thermal_zone" + chip
		}
		temperature.Add(t.Celsius, chip, t.Name)
	}
	for i := range v.Fans {
		f := &v.Fans[i]
		fan.Add(f.RPM, f.Chip, f.Name)
	}
}

// putNames gives every sensor a name that is its own within its chip, and drops one that is the very same sensor again.
func (v *Sensors) putNames() {
	type key struct {
		zone         bool
		chip, sensor string
	}
	labels, taken := map[key]int{}, map[key]bool{}
	for _, t := range v.Temperatures { // a label that is another sensor's number is as bad as one given twice
		labels[key{t.Zone, t.Chip, t.Label}]++
		labels[key{t.Zone, t.Chip, t.Sensor}]++
	}
	pick := func(zone bool, chip, sensor, label string) string {
		if label != "" && labels[key{zone, chip, label}] == 1 && !taken[key{zone, chip, label}] {
			return label
		}
		return sensor
	}
	temps := v.Temperatures[:0]
	for _, t := range v.Temperatures {
		t.Name = pick(t.Zone, t.Chip, t.Sensor, t.Label)
		if k := (key{t.Zone, t.Chip, t.Name}); !taken[k] {
			taken[k] = true
			temps = append(temps, t)
		}
	}
	v.Temperatures = temps
	clear(labels)
	clear(taken)
	for _, f := range v.Fans {
		labels[key{false, f.Chip, f.Label}]++
		labels[key{false, f.Chip, f.Sensor}]++
	}
	fans := v.Fans[:0]
	for _, f := range v.Fans {
		f.Name = pick(false, f.Chip, f.Sensor, f.Label)
		if k := (key{false, f.Chip, f.Name}); !taken[k] {
			taken[k] = true
			fans = append(fans, f)
		}
	}
	v.Fans = fans
}

// nodeHwmon are the common families of hwmon under node_exporter's names; drivers name more, which are made when first read.
var nodeHwmon = []Desc{
	{"node_hwmon_chip_names", "Annotation metric for human-readable chip names", Gauge, []string{"chip", "chip_name"}},
	{"node_hwmon_sensor_label", "Label for given chip and sensor", Gauge, []string{"chip", "sensor", "label"}},
	{"node_hwmon_beep_enabled", "Hardware beep enabled", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_voltage_regulator_version", "Hardware voltage regulator", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_update_interval_seconds", "Hardware monitor update interval", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_celsius", "Hardware monitor for temperature (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_min_celsius", "Hardware monitor for temperature (min)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_max_celsius", "Hardware monitor for temperature (max)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_max_hyst_celsius", "Hardware monitor for temperature (max_hyst)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_crit_celsius", "Hardware monitor for temperature (crit)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_crit_hyst_celsius", "Hardware monitor for temperature (crit_hyst)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_crit_alarm_celsius", "Hardware monitor for temperature (crit_alarm)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_alarm", "Hardware sensor alarm status (temp)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_fault", "Hardware sensor fault status (temp)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_temp_type", "Hardware monitor temp element type", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_rpm", "Hardware monitor for fan revolutions per minute (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_min_rpm", "Hardware monitor for fan revolutions per minute (min)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_max_rpm", "Hardware monitor for fan revolutions per minute (max)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_target_rpm", "Hardware monitor for fan revolutions per minute (target)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_alarm", "Hardware sensor alarm status (fan)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_fan_fault", "Hardware sensor fault status (fan)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_in_volts", "Hardware monitor for voltage (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_in_min_volts", "Hardware monitor for voltage (min)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_in_max_volts", "Hardware monitor for voltage (max)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_in_alarm", "Hardware sensor alarm status (in)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_curr_amps", "Hardware monitor for current (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_curr_max_amps", "Hardware monitor for current (max)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_power_watt", "Hardware monitor for power usage in watts (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_power_average_watt", "Hardware monitor for power usage in watts (average)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_power_cap_watt", "Hardware monitor for power usage in watts (cap)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_humidity", "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage) (input)", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_freq_freq_mhz", "Hardware monitor for GPU frequency in MHz", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_pwm", "Hardware monitor pwm element ", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_pwm_enable", "Hardware monitor pwm element enable", Gauge, []string{"chip", "sensor"}},
	{"node_hwmon_energy_joule_total", "Hardware monitor for joules used so far (input)", Counter, []string{"chip", "sensor"}},
}
