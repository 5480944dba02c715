package exporter

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// seed adds the fixtures of that name, cut short too, and some words.
func seed(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no fixtures for %s: %v", pattern, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("cpu 18446744073709551615 99999999999999999999 -1 0x10 1e9 \x00\n\n\r\n"))
}

// once fails when a name is in a list twice: it would become a series written twice.
func once[T any](t *testing.T, list []T, name func(*T) string) {
	t.Helper()
	seen := map[string]bool{}
	for i := range list {
		n := name(&list[i])
		if seen[n] {
			t.Fatalf("%q is there twice", n)
		}
		seen[n] = true
	}
}

func FuzzParseStat(f *testing.F) {
	seed(f, "proc-*/stat")
	f.Fuzz(func(t *testing.T, b []byte) {
		var v CPU
		var ids interner
		if parseStat(b, &v, &ids) != nil {
			return
		}
		once(t, v.Cores, func(c *CPUCore) string { return c.ID })
		for _, c := range v.Cores {
			if !(c.Times.User >= 0 && c.Times.Idle >= 0 && c.Times.Steal >= 0) {
				t.Fatalf("core %q: %+v", c.ID, c.Times)
			}
		}
	})
}

func FuzzParseMemInfo(f *testing.F) {
	seed(f, "proc-*/meminfo")
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Memory
		var names interner
		err := parseMemInfo(b, &v, &names)
		once(t, v.Info, func(n *NamedValue) string { return memInfoDesc(n.Name).Name })
		if err == nil && !(v.TotalBytes >= 0) {
			t.Fatalf("total %v without an error", v.TotalBytes)
		}
	})
}

func FuzzParseVMStat(f *testing.F) {
	seed(f, "proc-new/vmstat")
	f.Fuzz(func(t *testing.T, b []byte) {
		var names interner
		once(t, parseVMStat(b, nil, &names), func(n *NamedValue) string { return vmstatDesc(n.Name).Name })
	})
}

func FuzzParseLoad(f *testing.F) {
	seed(f, "proc-*/loadavg")
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := parseLoad(b); err == nil && (v.Load1 != v.Load1 || v.Load5 != v.Load5 || v.Load15 != v.Load15) {
			t.Fatalf("%+v without an error", v)
		}
	})
}

func FuzzParsePressure(f *testing.F) {
	seed(f, "proc-*/pressure/cpu")
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := parsePressure(b); p.WaitingSeconds < 0 || p.StalledSeconds < 0 {
			t.Fatalf("%+v", p)
		}
	})
}

func FuzzParseMountInfo(f *testing.F) {
	seed(f, "mountinfo/*")
	r := newFilesystemReader(&Options{})
	f.Fuzz(func(t *testing.T, b []byte) {
		all := parseMountInfo(b)
		for _, m := range all {
			if m.path == "" || !utf8.ValidString(m.fs.Mountpoint+m.fs.Device+m.fs.Type) {
				t.Fatalf("%+v", m)
			}
		}
		once(t, r.choose(all), func(m *mount) string { return m.fs.Mountpoint })
	})
}

func FuzzParseDiskstats(f *testing.F) {
	seed(f, "proc-*/diskstats")
	f.Fuzz(func(t *testing.T, b []byte) {
		var names interner
		list := parseDiskstats(b, nil, &names)
		once(t, list, func(d *DiskDevice) string { return d.Device })
		for _, d := range list {
			if d.ReadBytes != d.ReadBytes || d.IOTimeSeconds != d.IOTimeSeconds {
				t.Fatalf("%+v", d)
			}
		}
	})
}

func FuzzParseNetDev(f *testing.F) {
	seed(f, "proc-*/net/dev")
	f.Fuzz(func(t *testing.T, b []byte) {
		var names interner
		once(t, dropRepeatedLinks(parseNetDev(b, nil, &names)), func(d *NetworkDevice) string { return d.Device })
	})
}

func FuzzParseProcTCP(f *testing.F) {
	seed(f, "proc-new/net/tcp*")
	f.Fuzz(func(t *testing.T, b []byte) {
		var c tcpCounts
		parseProcTCP(b, &c)
		lines, sum := 1, 0.0
		for _, x := range b {
			if x == '\n' {
				lines++
			}
		}
		for _, n := range c {
			sum += n
		}
		if int(sum) > lines {
			t.Fatalf("%v sockets in %d lines", sum, lines)
		}
	})
}

func FuzzParseLinks(f *testing.F) {
	attr := func(kind byte, value ...byte) []byte {
		b := append([]byte{byte(len(value) + 4), byte((len(value) + 4) >> 8), kind, 0}, value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	body := append(make([]byte, 16), attr(3, 'e', 't', 'h', '0', 0)...)
	body = append(body, attr(23, make([]byte, 25*8)...)...)
	f.Add(diagMessage(16, 2, 7, body))
	f.Add(diagMessage(3, 2, 7, make([]byte, 4)))
	f.Add(diagMessage(16, 2, 7, body[:24]))
	f.Fuzz(func(t *testing.T, b []byte) {
		var names interner
		list, _, _ := parseLinks(b, 7, nil, &names)
		for _, d := range list {
			if d.Device == "" || !(d.Receive.Bytes >= 0) {
				t.Fatalf("%+v", d)
			}
		}
	})
}

func FuzzParseCPUInfo(f *testing.F) {
	seed(f, "proc-*/cpuinfo")
	f.Fuzz(func(t *testing.T, b []byte) {
		c := parseCPUInfo(b)
		for id, mhz := range c.mhz {
			if id == "" || !(mhz > 0) {
				t.Fatalf("%q: %v", id, mhz)
			}
		}
	})
}

func FuzzSplitSensorFile(f *testing.F) {
	for _, s := range []string{"temp1_crit_alarm", "update_interval", "pwm1", "in0_input", "1x", "temp1x", "temp1_", "temp99999999999999999999_input", "é1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind, number, _, ok := splitSensorFile(s)
		if ok && (kind == "" || number < 0) {
			t.Fatalf("%q: %q %d", s, kind, number)
		}
	})
}

func FuzzParseOSRelease(f *testing.F) {
	f.Add([]byte("ID=debian\nVERSION_ID=\"12\"\n"))
	f.Add([]byte("ID='\xff'\n=\nVERSION_ID"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, version := parseOSRelease(b); !utf8.ValidString(id + version) {
			t.Fatalf("%q %q", id, version)
		}
	})
}
