package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sensorsReader reads /sys/class/hwmon and /sys/class/thermal. Files are opened anew each time: chips come and go with their
// drivers, and a reading costs the hardware more than the open.
type sensorsReader struct {
	hwmon, thermal string
	descs          descTable
}

func newSensorsReader(o *Options) *sensorsReader {
	return &sensorsReader{
		hwmon:   filepath.Join(o.SysRoot, "class/hwmon"),
		thermal: filepath.Join(o.SysRoot, "class/thermal"),
		descs:   newDescTable(nodeHwmon),
	}
}

func (r *sensorsReader) read(ctx context.Context) (*Sensors, error) {
	v := &Sensors{}
	err := r.readHwmon(ctx, v)
	if err == nil {
		err = r.readZones(ctx, v)
	}
	v.putNames()
	v.node = dropRepeatedSamples(v.node)
	switch {
	case err != nil && len(v.node) > 0:
		return v, fmt.Errorf("%w: %w", err, ErrPartial)
	case err != nil:
		return nil, err
	case len(v.node) == 0:
		return nil, ErrNoData
	}
	return v, nil
}

func (r *sensorsReader) readHwmon(ctx context.Context, v *Sensors) error {
	dirs, err := os.ReadDir(r.hwmon)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", r.hwmon, err)
	}
	chips := map[string]bool{}
	for _, d := range dirs {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s: %w", r.hwmon, err)
		}
		dir := filepath.Join(r.hwmon, d.Name())
		sensors := map[string]map[string]string{}
		if collectHwmon(dir, sensors) != nil {
			continue // the chip was unplugged a moment ago
		}
		_ = collectHwmon(filepath.Join(dir, "device"), sensors) // where drivers older than the hwmon class keep theirs
		chip := hwmonChip(dir)
		name, _ := readSmall(filepath.Join(dir, "name"))
		name = cleanSensorWord(name)
		if name != "" {
			v.node = append(v.node, nodeSample{&nodeHwmon[0], []string{chip, name}, 1})
		}
		r.addNode(v, chip, sensors)
		if chips[chip] { // two hwmon directories of one device: keep their sensors apart
			chip += "_" + d.Name()
		}
		chips[chip] = true
		v.addHwmon(chip, name, sensors)
	}
	return nil
}

// hwmonTypes are the kinds of sensors that node_exporter knows.
var hwmonTypes = [...]string{"vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity", "intrusion", "freq"}

// collectHwmon reads the sensor files of a directory into sensors[name][property], as in temp1: {input: 42000, label: Core 0}.
func collectHwmon(dir string, sensors map[string]map[string]string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		kind, number, property, ok := splitSensorFile(f.Name())
		if !ok || f.IsDir() || !slices.Contains(hwmonTypes[:], kind) {
			continue
		}
		value, err := readSmall(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // write-only, or a sensor without a reading at this moment
		}
		sensor := kind + strconv.Itoa(number)
		if sensors[sensor] == nil {
			sensors[sensor] = map[string]string{}
		}
		sensors[sensor][property] = value
	}
	return nil
}

// splitSensorFile takes a name like temp1_crit_alarm apart: kind temp, number 1, property crit_alarm.
func splitSensorFile(name string) (kind string, number int, property string, ok bool) {
	i := strings.IndexAny(name, "0123456789")
	if i < 0 {
		return name, 0, "", name != ""
	}
	j := i
	for j < len(name) && name[j] >= '0' && name[j] <= '9' {
		j++
	}
	number, err := strconv.Atoi(name[i:j])
	rest := name[j:]
	if i == 0 || err != nil || rest == "_" || rest != "" && rest[0] != '_' {
		return "", 0, "", false
	}
	return name[:i], number, strings.TrimPrefix(rest, "_"), true
}

// hwmonChip names a chip by its device's place in /sys, which is the same after each boot; without a device by the driver's
// name, else by the number of its directory.
func hwmonChip(dir string) string {
	if dev, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
		name, bus := cleanSensorWord(filepath.Base(dev)), cleanSensorWord(filepath.Base(filepath.Dir(dev)))
		switch {
		case name != "" && bus != "":
			return bus + "_" + name
		case name != "":
			return name
		}
	}
	if s, err := readSmall(filepath.Join(dir, "name")); err == nil {
		if s = cleanSensorWord(s); s != "" {
			return s
		}
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return cleanSensorWord(filepath.Base(dir))
}

func cleanSensorWord(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == ':' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(s)), "_")
}

func (v *Sensors) addHwmon(chip, chipName string, sensors map[string]map[string]string) {
	for _, sensor := range sortedKeys(sensors) {
		p := sensors[sensor]
		kind, _, _, _ := splitSensorFile(sensor)
		if p["input"] == "" || p["fault"] == "1" {
			continue
		}
		input, label := parseFloatString(p["input"]), strings.ToValidUTF8(p["label"], "\uFFFD")
		switch {
		case input != input: //nolint:gocritic // NaN
		case kind == "temp":
			v.Temperatures = append(v.Temperatures, Temperature{
				Chip: chip, ChipName: chipName, Sensor: sensor, Label: label, Celsius: input / 1e3,
				MaxCelsius: parseFloatString(p["max"]) / 1e3, CriticalCelsius: parseFloatString(p["crit"]) / 1e3,
			})
		case kind == "fan":
			v.Fans = append(v.Fans, Fan{Chip: chip, ChipName: chipName, Sensor: sensor, Label: label, RPM: input})
		}
	}
}

// addNode writes a chip's sensors under node_exporter's names.
func (r *sensorsReader) addNode(v *Sensors, chip string, sensors map[string]map[string]string) {
	for _, sensor := range sortedKeys(sensors) {
		p := sensors[sensor]
		if label, ok := p["label"]; ok {
			v.node = append(v.node, nodeSample{&nodeHwmon[1], []string{chip, sensor, label}, 1})
		}
		kind, _, _, _ := splitSensorFile(sensor)
		for _, property := range sortedKeys(p) {
			if property == "label" {
				continue
			}
			_, plain := p[""]
			name, unit, typ := hwmonFamily(kind, property, plain)
			value := parseFloatString(p[property])
			if name == "" || value != value && kind != "beep_enable" { //nolint:gocritic // NaN
				continue
			}
			of := sensor
			switch {
			case kind == "beep_enable":
				value = 0
				if p[property] == "1" {
					value = 1
				}
			case kind == "freq" && property == "input":
				label, ok := p["label"]
				if !ok {
					continue
				}
				of = cleanSensorWord(label)
			}
			d := r.descs.get(name, func(string) Desc {
				return Desc{name, "Hardware monitor " + kind + " element " + property, typ, []string{"chip", "sensor"}}
			})
			v.node = append(v.node, nodeSample{d, []string{chip, of}, value * unit})
		}
	}
}

// hwmonFamily is node_exporter's family of a sensor's property, the unit of the kernel's number in that family's unit, and
// its type. plain says that the sensor has a file without property, which then has the short name.
func hwmonFamily(kind, property string, plain bool) (name string, unit float64, typ Type) {
	switch kind {
	case "beep_enable":
		return "node_hwmon_beep_enabled", 1, Gauge
	case "vrm":
		return "node_hwmon_voltage_regulator_version", 1, Gauge
	case "update_interval":
		return "node_hwmon_update_interval_seconds", 1e-3, Gauge
	}
	name = "node_hwmon_" + kind
	switch {
	case property == "input" && plain:
		name += "_input"
	case property != "" && property != "input":
		name += "_" + cleanSensorWord(property)
	}
	switch {
	case property == "fault" || property == "alarm":
		return name, 1, Gauge
	case property == "beep":
		return name + "_enabled", 1, Gauge
	case kind == "in" || kind == "cpu":
		return name + "_volts", 1e-3, Gauge
	case kind == "temp" && property != "type":
		return name + "_celsius", 1e-3, Gauge
	case kind == "curr":
		return name + "_amps", 1e-3, Gauge
	case kind == "energy":
		return name + "_joule_total", 1e-6, Counter
	case kind == "power" && property == "accuracy":
		return name, 1e-6, Gauge
	case kind == "power" && strings.HasPrefix(property, "average_interval"):
		return name + "_seconds", 1e-3, Gauge
	case kind == "power":
		return name + "_watt", 1e-6, Gauge
	case kind == "humidity":
		return name, 1e-6, Gauge
	case kind == "fan" && (property == "input" || property == "min" || property == "max" || property == "target"):
		return name + "_rpm", 1, Gauge
	case kind == "freq" && property == "input":
		return name + "_freq_mhz", 1e-6, Gauge
	}
	return name, 1, Gauge
}

// readZones reads thermal zones and cooling devices. A zone that is switched off answers an error; it is left out.
func (r *sensorsReader) readZones(ctx context.Context, v *Sensors) error {
	dirs, err := os.ReadDir(r.thermal)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", r.thermal, err)
	}
	for _, d := range dirs {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read %s: %w", r.thermal, err)
		}
		dir := filepath.Join(r.thermal, d.Name())
		kind, err := readSmall(filepath.Join(dir, "type"))
		if err != nil {
			continue
		}
		if zone, ok := strings.CutPrefix(d.Name(), "thermal_zone"); ok {
			t := readSmallNumber(filepath.Join(dir, "temp")) / 1e3
			if t != t { //nolint:gocritic // NaN
				continue
			}
			v.Temperatures = append(v.Temperatures, Temperature{
				Chip: zone, ChipName: "thermal_zone", Sensor: strings.ToValidUTF8(kind, "\uFFFD"), Celsius: t,
				MaxCelsius: unknown(), CriticalCelsius: unknown(), Zone: true,
			})
			v.node = append(v.node, nodeSample{&nodeZoneTemp, []string{zone, kind}, t})
		}
		if name, ok := strings.CutPrefix(d.Name(), "cooling_device"); ok {
			v.node = append(
				v.node,
				nodeSample{&nodeCoolingNow, []string{name, kind}, readSmallNumber(filepath.Join(dir, "cur_state"))},
				nodeSample{&nodeCoolingMax, []string{name, kind}, readSmallNumber(filepath.Join(dir, "max_state"))},
			)
		}
	}
	return nil
}

// dropRepeatedSamples keeps the first series of each family and labels.
func dropRepeatedSamples(list []nodeSample) []nodeSample {
	seen := make(map[string]bool, len(list))
	kept := list[:0]
	for _, s := range list {
		key := s.desc.Name + "\x00" + strings.ToValidUTF8(strings.Join(s.labels, "\x00"), "\uFFFD")
		if !seen[key] {
			seen[key] = true
			kept = append(kept, s)
		}
	}
	return kept
}
