package exporter

import (
	"bytes"
	"fmt"
	"testing"
)

func statLine(pid int, comm, state string, ppid int, flags, utime, stime uint64, threads int, start uint64, rss int64) string {
	return fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 %d 10 0 0 0 %d %d 0 0 20 0 %d 0 %d 1000000 %d 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		pid, comm, state, ppid, flags, utime, stime, threads, start, rss)
}

func TestParseStat(t *testing.T) {
	for _, comm := range []string{"a", "", "Web Content", "a) R 1 (b", ")", "(", "a\nb", ") ", "kworker/u8:2-events_unbound", "\xff\xfe", "(sd-pam)"} {
		var s procStat
		if err := parseProcStat([]byte(statLine(4194304, comm, "S", 12, 0x400140, 250, 31, 7, 99887766, 1234)), &s); err != nil {
			t.Fatalf("%q: %v", comm, err)
		}
		if string(s.comm) != comm || s.pid != 4194304 || s.state != 'S' || s.ppid != 12 || s.flags != 0x400140 ||
			s.ticks != 281 || s.threads != 7 || s.start != 99887766 || s.rssPages != 1234 {
			t.Errorf("%q: got %+v", comm, s)
		}
	}
}

func TestParseStatRefusesWhatIsNone(t *testing.T) {
	good := statLine(1, "a", "S", 0, 0, 1, 1, 1, 1, 1)
	for _, bad := range []string{"", "1", "1 (a", "1 (a)", "1 (a) S", "1 (a) S ", "x (a) S 1", " (a) S 1 2", "1 a S 1 2 3", good[:30], "1 (a) S 1 2 x 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"} {
		var s procStat
		if err := parseProcStat([]byte(bad), &s); err == nil {
			t.Errorf("%q: parsed as %+v", bad, s)
		}
	}
}

func FuzzParseProcStat(f *testing.F) {
	f.Add([]byte("bash"), []byte(" 1 2 3"), uint64(5))
	f.Add([]byte("a) S 1 (b\n"), []byte(" S 1 1 1 0 -1 4194560 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0"), uint64(1<<40))
	f.Fuzz(func(t *testing.T, comm, tail []byte, n uint64) {
		var s procStat
		_ = parseProcStat(append(append([]byte("1 ("), comm...), append([]byte(")"), tail...)...), &s)
		_ = parseProcStat(tail, &s)
		if n >= 1e18 {
			n %= 1e18
		}
		line := statLine(int(n%4194304), string(comm), "R", int(n%7), n, n/2, n/2, int(n%1000), n, int64(n))
		if err := parseProcStat([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !bytes.Equal(s.comm, comm) || s.start != n || s.ticks != n/2*2 || s.rssPages != int64(n) || s.threads != int(n%1000) {
			t.Errorf("%q: got %+v", line, s)
		}
	})
}

func TestProcessName(t *testing.T) {
	for _, c := range []struct{ name, comm, args, want string }{
		{"short", "bash", "/usr/bin/other\x00", "bash"},
		{"cut", "systemd-timesyn", "/lib/systemd/systemd-timesyncd\x00", "systemd-timesyncd"},
		{"cut, no path", "systemd-timesyn", "systemd-timesyncd\x00--x\x00", "systemd-timesyncd"},
		{"exactly 15", "fifteen-letters", "/bin/fifteen-letters\x00", "fifteen-letters"},
		{"15 of something else", "fifteen-letters", "/bin/python3\x00-c\x00", "fifteen-letters"},
		{"script", "my-long-script-", "/usr/bin/python3\x00/opt/my-long-script-name.py\x00--token=x\x00", "my-long-script-name.py"},
		{"title over the arguments", "long-server-nam", "long-server-name: worker /srv\x00", "long-server-name"},
		{"title behind a path", "long-server-nam", "/usr/bin/long-server-name --password x/y\x00", "long-server-name"},
		{"blank in the path", "long-server-nam", "/opt/my apps/long-server-name\x00", "long-server-name"},
		{"blank in the name", "My Long Program", "/opt/My Long Program Name\x00", "My Long Program"},
		{"no arguments", "fifteen-letters", "", "fifteen-letters"},
		{"no name", "", "/bin/tool\x00", "tool"},
		{"nothing", "", "", "unknown"},
		{"not UTF-8", "a\xffb", "", "a\uFFFDb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := processName([]byte(c.comm), func() []byte { return []byte(c.args) }); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := seriesName("kworker/3:1-events", true); got != "kworker" {
		t.Errorf("a kernel thread counts as %q, want kworker", got)
	}
	if got := seriesName("a/b", false); got != "a/b" {
		t.Errorf("a process counts as %q, want a/b", got)
	}
}
