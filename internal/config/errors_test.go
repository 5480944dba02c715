package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// failure loads a file (and .env) that must be refused, and returns the text with the folder's name cut out.
func failure(t *testing.T, o Options, yaml, dotenv string) string {
	t.Helper()
	o.Dir = t.TempDir()
	if o.StateDir == "" {
		o.StateDir = filepath.Join(o.Dir, "state")
	}
	if yaml != "" {
		write(t, filepath.Join(o.Dir, FileName), yaml)
	}
	if dotenv != "" {
		write(t, filepath.Join(o.Dir, ".env"), dotenv)
	}
	loaded, err := Load(o)
	if err == nil {
		t.Fatalf("loaded %+v, want an error", loaded.Config)
	}
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 || loaded != nil {
		t.Fatalf("got %v (%T), want an *Error with problems and no result", err, err)
	}
	return strings.ReplaceAll(err.Error(), o.Dir+string(filepath.Separator), "")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadFileIsShownWithPlaceAndRemedy(t *testing.T) {
	const originList = "a list, each entry scheme://host or scheme://host:port, without path"
	const addressList = "a list of at least 1, each entry host:port with port 0 to 65535"
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key with a near one", "web:\n  listen_adresses: [\"127.0.0.1:8080\"]\n", `controlcenter.yaml:2:3: web.listen_adresses: unknown key; did you mean listen_addresses?
    2 |   listen_adresses: ["127.0.0.1:8080"]
      |   ^`},
		{"unknown section", "wbe: {}\n", `controlcenter.yaml:1:1: wbe: unknown key; did you mean web?
    1 | wbe: {}
      | ^`},
		{"key of another section", "log:\n  interval: 2s\n", `controlcenter.yaml:2:3: log.interval: unknown key; did you mean stream.interval?
    2 |   interval: 2s
      |   ^`},
		{"unknown key with nothing near", "log: {colour: true}\n", `controlcenter.yaml:1:7: log.colour: unknown key; known keys of log: level, format
    1 | log: {colour: true}
      |       ^`},
		{"key twice", "log:\n  level: info\n  format: json\n  level: warn\n", `controlcenter.yaml:4:3: log.level: given twice, first in line 2; accepted: each key once
    4 |   level: warn
      |   ^`},
		{"list for a map", "web: [1]\n", `controlcenter.yaml:1:6: web: expected a map, got a list; accepted: a map of keys: listen_addresses, socket, config_file, allowed_hosts, trusted_proxies, cors_origins, insecure
    1 | web: [1]
      |      ^`},
		{"text for a list", "web:\n  cors_origins: http://localhost\n", `controlcenter.yaml:2:17: web.cors_origins: expected a list, got a text; accepted: ` + originList + `
    2 |   cors_origins: http://localhost
      |                 ^`},
		{"text for a number", "exporter: {processes: {top: many}}\n", `controlcenter.yaml:1:29: exporter.processes.top: expected a whole number, got a text; accepted: 0 to 1000
    1 | exporter: {processes: {top: many}}
      |                             ^`},
		{"fraction for a whole number", "storage: {backup: {keep: 1.5}}\n", `controlcenter.yaml:1:26: storage.backup.keep: expected a whole number, got a number (quote it if it is a text); accepted: 1 to 1000
    1 | storage: {backup: {keep: 1.5}}
      |                          ^`},
		{"number for a text", "storage: {path: 7}\n", `controlcenter.yaml:1:17: storage.path: expected a text, got a whole number (quote it if it is a text); accepted: a path
    1 | storage: {path: 7}
      |                 ^`},
		{"text for true or false", "web: {insecure: yes}\n", `controlcenter.yaml:1:17: web.insecure: expected true or false, got a text; accepted: true or false
    1 | web: {insecure: yes}
      |                 ^`},
		{"no value", "log:\n  level:\n", `controlcenter.yaml:2:3: log.level: expected a text, got nothing; accepted: debug, info, warn, error
    2 |   level:
      |   ^`},
		{"unknown word", "log: {level: wran}\n", `controlcenter.yaml:1:14: log.level: "wran" is unknown, did you mean warn?; accepted: debug, info, warn, error
    1 | log: {level: wran}
      |              ^`},
		{"unknown mode", "auth:\n  mode: Open\n", `controlcenter.yaml:2:9: auth.mode: "Open" is unknown, did you mean open?; accepted: owner, credentials, open
    2 |   mode: Open
      |         ^`},
		{"unknown group", "auth: {anonymous: [health, ports]}\n", `controlcenter.yaml:1:28: auth.anonymous[1]: "ports" is unknown; accepted: health, metrics, stats
    1 | auth: {anonymous: [health, ports]}
      |                            ^`},
		{"group twice", "auth: {anonymous: [stats, stats]}\n", `controlcenter.yaml:1:27: auth.anonymous[1]: "stats" is listed twice; accepted: each entry once
    1 | auth: {anonymous: [stats, stats]}
      |                           ^`},
		{"number out of range", "exporter: {ports: {end: 65536}}\n", `controlcenter.yaml:1:25: exporter.ports.end: "65536" is out of range; accepted: 1 to 65535
    1 | exporter: {ports: {end: 65536}}
      |                         ^`},
		{"number too large for any integer", "exporter: {ports: {end: 99999999999999999999}}\n", `controlcenter.yaml:1:25: exporter.ports.end: "99999999999999999999" is out of range; accepted: 1 to 65535
    1 | exporter: {ports: {end: 99999999999999999999}}
      |                         ^`},
		{"duration out of range", "stream:\n  interval: 61s\n", `controlcenter.yaml:2:13: stream.interval: "61s" is out of range; accepted: 1s to 1m
    2 |   interval: 61s
      |             ^`},
		{"duration without unit", "stream: {interval: 2}\n", `controlcenter.yaml:1:20: stream.interval: "2" has no unit, write 2s for seconds; accepted: 1s to 1m
    1 | stream: {interval: 2}
      |                    ^`},
		{"no duration", "stream: {interval: fast}\n", `controlcenter.yaml:1:20: stream.interval: "fast" is not a duration; accepted: 1s to 1m
    1 | stream: {interval: fast}
      |                    ^`},
		{"range upside down", "exporter:\n  ports:\n    start: 9000\n    end: 3000\n", `controlcenter.yaml:4:10: exporter.ports.end: end 3000 is below start 9000; accepted: start up to end
    4 |     end: 3000
      |          ^`},
		{"start above the default end", "exporter: {ports: {start: 9001}}\n", `controlcenter.yaml:1:27: exporter.ports.start: end 9000 is below start 9001; accepted: start up to end
    1 | exporter: {ports: {start: 9001}}
      |                           ^`},
		{"address without port", "web:\n  listen_addresses:\n    - 127.0.0.1\n", `controlcenter.yaml:3:7: web.listen_addresses[0]: "127.0.0.1" is not of the accepted form; accepted: host:port with port 0 to 65535
    3 |     - 127.0.0.1
      |       ^`},
		{"no address", "web: {listen_addresses: []}\n", `controlcenter.yaml:1:25: web.listen_addresses: has 0 entries; accepted: ` + addressList + `
    1 | web: {listen_addresses: []}
      |                         ^`},
		{"address twice", "web: {listen_addresses: [\":80\", \":80\"]}\n", `controlcenter.yaml:1:33: web.listen_addresses[1]: ":80" is listed twice; accepted: each entry once
    1 | web: {listen_addresses: [":80", ":80"]}
      |                                 ^`},
		{"origin with a path", "web: {cors_origins: [\"http://a/b\"]}\n", `controlcenter.yaml:1:22: web.cors_origins[0]: "http://a/b" is not of the accepted form; accepted: scheme://host or scheme://host:port, without path
    1 | web: {cors_origins: ["http://a/b"]}
      |                      ^`},
		{"host with a port", "web: {allowed_hosts: [\"a:80\"]}\n", `controlcenter.yaml:1:23: web.allowed_hosts[0]: "a:80" is not of the accepted form; accepted: a host name or IP address, without port
    1 | web: {allowed_hosts: ["a:80"]}
      |                       ^`},
		{"home sign", "storage: {path: ~/cc}\n", `controlcenter.yaml:1:17: storage.path: "~/cc" starts with ~, which is not expanded here, write the whole path; accepted: a path
    1 | storage: {path: ~/cc}
      |                 ^`},
		{"broken YAML", "web:\n  listen_addresses: [\"a\"\nlog: {}\n", `controlcenter.yaml:3:1: not YAML: ',' or ']' must be specified
    3 | log: {}
      | ^`},
		{"tab", "web:\n\tinsecure: true\n", `controlcenter.yaml:2:1: not YAML: found character TAB that cannot start any token
    2 |  insecure: true
      | ^`},
		{"anchor", "web: &a {insecure: true}\n", `controlcenter.yaml:1:6: anchors and aliases are not accepted; write the value out
    1 | web: &a {insecure: true}
      |      ^`},
		{"tag", "web: !!map {}\n", `controlcenter.yaml:1:6: tags are not accepted
    1 | web: !!map {}
      |      ^`},
		{"second document", "log: {}\n---\nweb: {}\n", `controlcenter.yaml:2:1: a second document; accepted: one
    2 | ---
      | ^`},
		{"no map at the top", "- web\n", `controlcenter.yaml:1:1: expected a map, got a list; accepted: a map of keys: web, auth, audit, log, stream, exporter, storage, usage, services, knowledge, notify, fleet, limits, compat
    1 | - web
      | ^`},
		{"root without a path", "knowledge: {roots: [{id: main}]}\n", `controlcenter.yaml:1:20: knowledge.roots: entry 0 has no path; accepted: a path
    1 | knowledge: {roots: [{id: main}]}
      |                    ^`},
		{"two roots of one name", "knowledge: {roots: [{id: a, path: x}, {id: a, path: y}]}\n", `controlcenter.yaml:1:20: knowledge.roots: entry 1 has the id "a" of another; accepted: each id once
    1 | knowledge: {roots: [{id: a, path: x}, {id: a, path: y}]}
      |                    ^`},
		{"root with a bad id", "knowledge: {roots: [{id: a b, path: x}]}\n", `controlcenter.yaml:1:26: knowledge.roots[0].id: "a b" is not of the accepted form; accepted: 1 to 50 letters, digits, _ and -
    1 | knowledge: {roots: [{id: a b, path: x}]}
      |                          ^`},
		{"scan command without a root", "knowledge: {scan: {command: [tool]}}\n", `controlcenter.yaml:1:29: knowledge.scan.command: needs a root to run in; accepted: knowledge.roots beside it
    1 | knowledge: {scan: {command: [tool]}}
      |                             ^`},
		{"placeholder nobody fills", "knowledge: {roots: [{id: a, path: x}], scan: {command: [tool, \"{creater}\"]}}\n", `controlcenter.yaml:1:56: knowledge.scan.command: "{creater}" stands for nothing; accepted: {creator}, {priority}, {force}, {max_videos}
    1 | knowledge: {roots: [{id: a, path: x}], scan: {command: [tool, "{creater}"]}}
      |                                                        ^`},
		{"name of the scan job taken", "knowledge: {roots: [{id: a, path: x}], scan: {command: [tool]}}\nservices: {kb_scan: {command: [a]}}\n", `controlcenter.yaml:1:56: knowledge.scan.command: runs as the job kb-scan, which services.kb_scan defines too; accepted: one of the two
    1 | knowledge: {roots: [{id: a, path: x}], scan: {command: [tool]}}
      |                                                        ^`},
		{"not text", "log: {}\n# \xff\n", `controlcenter.yaml:2:3: not UTF-8 text
    2 | # �
      |   ^`},
		{"after wide characters", "# größe\nlog: {\"ä\": 1, level: x}\n", `controlcenter.yaml:2:7: log.ä: unknown key; known keys of log: level, format
    2 | log: {"ä": 1, level: x}
      |       ^
controlcenter.yaml:2:22: log.level: "x" is unknown; accepted: debug, info, warn, error
    2 | log: {"ä": 1, level: x}
      |                      ^`},
		{"every problem at once", "top: 3\nlog:\n  level: loud\nstream: {interval: 90s}\n", `controlcenter.yaml:1:1: top: unknown key; did you mean exporter.processes.top?
    1 | top: 3
      | ^
controlcenter.yaml:3:10: log.level: "loud" is unknown; accepted: debug, info, warn, error
    3 |   level: loud
      |          ^
controlcenter.yaml:4:20: stream.interval: "90s" is out of range; accepted: 1s to 1m
    4 | stream: {interval: 90s}
      |                    ^`},
		{"escape sequence", "\"\\e[2J\": 1\n", "controlcenter.yaml:1:1: \ufffd[2J: unknown key; known keys: web, auth, audit, log, stream, exporter, storage, usage, services, knowledge, notify, fleet, limits, compat\n    1 | \"\\e[2J\": 1\n      | ^"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := failure(t, Options{}, c.yaml, ""); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestBadVariablesAndFlagsNameTheirSource(t *testing.T) {
	for _, c := range []struct {
		name   string
		env    []string
		dotenv string
		flags  map[string][]string
		want   string
	}{
		{name: "unknown variable", env: []string{"CC_LOG_LEVLE=info"}, want: "environment CC_LOG_LEVLE: unknown variable; did you mean CC_LOG_LEVEL?"},
		{name: "unknown variable far from all", env: []string{"CC_QWERTYUIOP=1"}, want: "environment CC_QWERTYUIOP: unknown variable; `controlcenter config show` lists the known ones"},
		{name: "out of range", env: []string{"CC_STREAM_INTERVAL=0s"}, want: `environment CC_STREAM_INTERVAL: stream.interval: "0s" is out of range; accepted: 1s to 1m`},
		{name: "below the range", env: []string{"CC_STORAGE_BACKUP_KEEP=0"}, want: `environment CC_STORAGE_BACKUP_KEEP: storage.backup.keep: "0" is out of range; accepted: 1 to 1000`},
		{name: "not a number", env: []string{"CC_EXPORTER_PORTS_START=a"}, want: `environment CC_EXPORTER_PORTS_START: exporter.ports.start: "a" is not a whole number; accepted: 1 to 65535`},
		{name: "broken JSON list", env: []string{`CC_WEB_CORS_ORIGINS=["a"`}, want: `environment CC_WEB_CORS_ORIGINS: web.cors_origins: "[\"a\"" is not a JSON list (unexpected end of JSON input); accepted: a list, each entry scheme://host or scheme://host:port, without path`},
		{name: "two names of one key", env: []string{"CC_WEB_LISTEN_ADDRESS=:1", "CC_WEB_LISTEN_ADDRESSES=:2"}, want: "environment CC_WEB_LISTEN_ADDRESS: web.listen_addresses: set differently by CC_WEB_LISTEN_ADDRESSES; accepted: one of the two"},
		{name: "old interval", env: []string{"WS_UPDATE_INTERVAL=2s"}, want: `environment WS_UPDATE_INTERVAL: stream.interval: "2s" is not a whole number of seconds; accepted: 1 to 60`},
		{name: "old port", env: []string{"PORT=65536"}, want: `environment PORT: web.listen_addresses: "65536" is not a port; accepted: 0 to 65535`},
		{name: "old range upside down", env: []string{"PORT_SCAN_START=9500"}, want: "environment PORT_SCAN_START: exporter.ports.start: end 9000 is below start 9500; accepted: start up to end"},
		{name: "value in .env", dotenv: "\n# x\nCC_LOG_LEVEL=loud\n", want: `environment CC_LOG_LEVEL (.env:3): log.level: "loud" is unknown; accepted: debug, info, warn, error`},
		{name: "unknown in .env", dotenv: "CC_LOGLEVEL=info\n", want: "environment CC_LOGLEVEL (.env:1): unknown variable; did you mean CC_LOG_LEVEL?"},
		{name: "broken .env", dotenv: "A=1\nsecret words\n", want: ".env:2: expected KEY=VALUE"},
		{name: "flag", flags: map[string][]string{"log.format": {"xml"}}, want: `flag --log.format: log.format: "xml" is unknown; accepted: logfmt, json`},
		{name: "repeated flag", flags: map[string][]string{"web.listen_addresses": {":1", "b"}}, want: `flag --web.listen-address: web.listen_addresses: "b" is not of the accepted form; accepted: host:port with port 0 to 65535`},
		{name: "flag of no key", flags: map[string][]string{"stream.interval": {"2s"}}, want: "flag --stream.interval: stream.interval: no flag of this key"},
		{name: "missing file", env: []string{"CC_CONFIG_FILE=none.yaml"}, want: "environment CC_CONFIG_FILE: open none.yaml: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := failure(t, Options{Environ: c.env, Flags: c.flags}, "", c.dotenv); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestFileHiddenByFlagIsStillChecked(t *testing.T) {
	got := failure(t, Options{Flags: map[string][]string{"log.level": {"warn"}}}, "log: {level: loud}\n", "")
	if !strings.HasPrefix(got, "controlcenter.yaml:1:14: log.level:") {
		t.Errorf("got %s", got)
	}
}

func TestProblemsOfOneFileAreBounded(t *testing.T) {
	got := failure(t, Options{}, strings.Repeat("x: 1\n", 500), "")
	if n := strings.Count(got, "given twice"); n > maxProblems || !strings.HasSuffix(got, "more problems are not listed") {
		t.Errorf("%d problems shown, ends in %q", n, got[max(0, len(got)-60):])
	}
}

func TestInputBeyondBoundsIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"size":  {strings.Repeat("#", maxFile+1), "larger than 1 MiB"},
		"flow":  {"web: " + strings.Repeat("[", 100_000), "nested deeper than 64 levels"},
		"block": {strings.Repeat("- ", 100_000), "nested deeper than 64 levels"},
		"keys":  {strings.Repeat("a: 1\n", maxMarks+1), "more than 20000 keys and list entries"},
		"list":  {strings.Repeat("- #\n", maxMarks+1), "more than 20000 keys and list entries"},
		"docs":  {strings.Repeat("---\n1\n", 100_000), "a second document"},
		"ends":  {strings.Repeat("1\n...\n", 100_000), "a second document"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := failure(t, Options{}, c.yaml, ""); !strings.Contains(got, c.want) || len(got) > 1000 {
				t.Errorf("got %d bytes: %.300s, want %s", len(got), got, c.want)
			}
		})
	}
}

func TestNoHomeIsAnErrorOnlyWithoutStoragePath(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(Options{Dir: dir})
	if err == nil || err.Error() != "storage.path: no home directory is known, so there is no default; accepted: a path" {
		t.Errorf("got %v", err)
	}
	if _, err := Load(Options{Dir: dir, Environ: []string{"CC_STORAGE_PATH=state"}}); err != nil {
		t.Errorf("with a path: %v", err)
	}
}
