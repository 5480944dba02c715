package exporter

import (
	"testing"
)

func TestSensorsOfAMachine(t *testing.T) {
	sys := t.TempDir()
	writeSysfs(t, sys)
	v := mustRead(t, newSensors(&Options{SysRoot: sys}))
	got := map[string]float64{}
	for _, s := range v.Temperatures {
		chip := s.Chip
		if s.Zone {
			chip = "zone " + chip
		}
		got[chip+"/"+s.Name] = s.Celsius
	}
	for _, f := range v.Fans {
		got[f.Chip+"/"+f.Name] = f.RPM
	}
	want := map[string]float64{
		"platform_coretemp_0/Package id 0": 42, "platform_coretemp_0/temp2": 41.5, "platform_coretemp_0/temp3": 43.5,
		"platform_nct6775_656/temp1": 35, "platform_nct6775_656/fan1": 1205, "zone 0/acpitz": 27.8, "zone 1/x86_pkg_temp": 43,
	}
	for name, w := range want {
		if !same(got[name], w) {
			t.Errorf("%s: got %v, want %v", name, got[name], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if v.Temperatures[0].MaxCelsius != 80 || v.Temperatures[0].CriticalCelsius != 100 || v.Temperatures[0].ChipName != "coretemp" {
		t.Errorf("limits: %+v", v.Temperatures[0])
	}
	if v.MaxCelsius() != 43.5 {
		t.Errorf("hottest: %v", v.MaxCelsius())
	}
}

func TestHwmonFamilies(t *testing.T) {
	cases := []struct {
		kind, property string
		plain          bool
		name           string
		unit           float64
		typ            Type
	}{
		{"temp", "input", false, "node_hwmon_temp_celsius", 1e-3, Gauge},
		{"temp", "crit_alarm", false, "node_hwmon_temp_crit_alarm_celsius", 1e-3, Gauge},
		{"temp", "type", false, "node_hwmon_temp_type", 1, Gauge},
		{"fan", "input", true, "node_hwmon_fan_input_rpm", 1, Gauge},
		{"fan", "pulses", false, "node_hwmon_fan_pulses", 1, Gauge},
		{"in", "beep", false, "node_hwmon_in_beep_enabled", 1, Gauge},
		{"energy", "input", false, "node_hwmon_energy_joule_total", 1e-6, Counter},
		{"freq", "input", false, "node_hwmon_freq_freq_mhz", 1e-6, Gauge},
		{"pwm", "", true, "node_hwmon_pwm", 1, Gauge},
	}
	for _, c := range cases {
		if name, unit, typ := hwmonFamily(c.kind, c.property, c.plain); name != c.name || unit != c.unit || typ != c.typ {
			t.Errorf("%s %q: got %s %v %v, want %s %v %v", c.kind, c.property, name, unit, typ, c.name, c.unit, c.typ)
		}
	}
}
