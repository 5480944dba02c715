package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"controlcenter/internal/unit"
)

// load loads from dir, which must succeed.
func load(t *testing.T, o Options) *Loaded {
	t.Helper()
	if o.StateDir == "" {
		o.StateDir = filepath.Join(o.Dir, "state")
	}
	l, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNothingConfiguredGivesDefaults(t *testing.T) {
	dir := t.TempDir()
	l := load(t, Options{Dir: dir})
	want := Config{
		Web: Web{
			ListenAddresses: []string{"127.0.0.1:8080"},
			Socket:          filepath.Join(dir, "state", "controlcenter.sock"),
			CORSOrigins:     []string{"http://localhost:3000", "http://localhost:3001", "http://localhost:3002"},
		},
		Auth: Auth{
			Mode: "owner", Anonymous: []string{"health", "metrics", "stats"}, DefaultAdmin: DefaultAdmin{Username: "admin"},
			Session: Session{Idle: unit.Duration(12 * time.Hour), Max: unit.Duration(7 * 24 * time.Hour)},
		},
		Audit:  Audit{Keep: 100_000, MaxAge: unit.Duration(365 * 24 * time.Hour)},
		Log:    Log{Level: "info", Format: "logfmt"},
		Stream: Stream{Interval: unit.Duration(2 * time.Second)},
		Exporter: Exporter{
			Ports:     Ports{Start: 3000, End: 9000},
			Processes: Processes{Top: 50},
		},
		Storage: Storage{Path: filepath.Join(dir, "state"), Backup: Backup{Every: unit.Duration(time.Hour), Keep: 24}},
		Knowledge: Knowledge{
			Scan:        KnowledgeScan{Every: unit.Duration(10 * time.Minute), Watch: true},
			MaxFileSize: 8 << 20,
		},
		Notify: Notify{
			Rules: NotifyRules{Defaults: true}, GroupWait: unit.Duration(5 * time.Second), GroupInterval: unit.Duration(5 * time.Minute),
			RepeatInterval: unit.Duration(4 * time.Hour), GiveUp: unit.Duration(24 * time.Hour),
		},
		Fleet:  Fleet{Self: true},
		Limits: Limits{Enabled: true},
	}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got  %+v\nwant %+v", l.Config, want)
	}
	if l.File != "" || len(l.Warnings) != 0 {
		t.Errorf("file %q, warnings %q, want none", l.File, l.Warnings)
	}
	for _, f := range keys() {
		if got := l.Sources[f.Key]; got.Kind != "default" || got.Detail != "" {
			t.Errorf("source of %s is %v, want default", f.Key, got)
		}
	}
}

// Each layer sets the level to its own word; the strongest that is there must win and be named.
func TestFlagBeatsEnvironmentBeatsDotEnvBeatsOldNameBeatsFile(t *testing.T) {
	dir := t.TempDir()
	file, dotenv := filepath.Join(dir, FileName), filepath.Join(dir, ".env")
	write(t, file, "# c\nlog:\n  level: error\n")
	o := Options{Dir: dir}
	check := func(level, kind, detail string) {
		t.Helper()
		l := load(t, o)
		if got := l.Sources["log.level"]; l.Config.Log.Level != level || got != (Source{kind, detail}) {
			t.Errorf("got %s from %+v, want %s from %s %s", l.Config.Log.Level, got, level, kind, detail)
		}
	}
	check("error", "file", file+":3")
	o.Environ = []string{"DEBUG=true"}
	check("debug", "environment", "DEBUG")
	write(t, dotenv, "\nexport CC_LOG_LEVEL='warn' # quiet\n")
	check("warn", "environment", "CC_LOG_LEVEL ("+dotenv+":2)")
	o.Environ = append(o.Environ, "CC_LOG_LEVEL=info")
	check("info", "environment", "CC_LOG_LEVEL")
	o.Flags = map[string][]string{"log.level": {"error", "debug"}}
	check("debug", "flag", "--log.level")
}

func TestFileIsSearchedInOrder(t *testing.T) {
	dir, user := t.TempDir(), t.TempDir()
	theirs := filepath.Join(user, "controlcenter", FileName)
	here := filepath.Join(dir, FileName)
	named := filepath.Join(dir, "sub", "x.yaml")
	o := Options{Dir: dir, UserConfigDir: user}
	for _, step := range []struct{ file, flag, want string }{
		{theirs, "", theirs},
		{here, "", here},
		{named, filepath.Join("sub", "x.yaml"), named},
	} {
		write(t, step.file, "")
		o.File = step.flag
		if got := load(t, o).File; got != step.want {
			t.Errorf("read %q, want %q", got, step.want)
		}
	}
	o.File, o.Environ = "", []string{"CC_CONFIG_FILE=" + named}
	if got := load(t, o).File; got != named {
		t.Errorf("CC_CONFIG_FILE: read %q, want %q", got, named)
	}
	o.File = "missing.yaml"
	if _, err := Load(o); err == nil || !strings.HasPrefix(err.Error(), "flag --config.file: open "+filepath.Join(dir, "missing.yaml")) {
		t.Errorf("missing named file: got %v", err)
	}
	o.File = dir
	if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "is a folder, not a file") {
		t.Errorf("folder as file: got %v", err)
	}
}

func TestUnreadableSearchedFileIsNotSkipped(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Options{Dir: dir, StateDir: dir}); err == nil || !strings.Contains(err.Error(), "is a folder, not a file") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyFilesAndSectionsSetNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "web:\nlog: {}\nexporter:\n  ports:\n", "\ufeff# with a mark\n"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, FileName), text)
		if got, want := load(t, Options{Dir: dir}).Config, defaults(filepath.Join(dir, "state")); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestRelativePathsAreBelowTheFileOrTheWorkingDirectory(t *testing.T) {
	dir, user := t.TempDir(), t.TempDir()
	abs := filepath.Join(user, "abs.sock")
	write(t, filepath.Join(user, "controlcenter", FileName), "storage: {path: data}\nweb: {config_file: ../web.yaml, socket: '"+abs+"'}\nexporter: {textfile_directory: text}\n")
	o := Options{Dir: dir, UserConfigDir: user, Environ: []string{"CC_EXPORTER_TEXTFILE_DIRECTORY=./prom/"}}
	c := load(t, o).Config
	for _, p := range [][2]string{
		{c.Storage.Path, filepath.Join(user, "controlcenter", "data")},
		{c.Web.ConfigFile, filepath.Join(user, "web.yaml")},
		{c.Web.Socket, abs},
		{c.Exporter.TextfileDirectory, filepath.Join(dir, "prom")},
	} {
		if p[0] != p[1] {
			t.Errorf("got %s, want %s", p[0], p[1])
		}
	}
	o.Flags = map[string][]string{"storage.path": {"here"}}
	if got, want := load(t, o).Config.Storage.Path, filepath.Join(dir, "here"); got != want {
		t.Errorf("flag: got %s, want %s", got, want)
	}
}

func TestSocketFollowsStoragePathUnlessSet(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, Flags: map[string][]string{"storage.path": {"s"}}}
	if got, want := load(t, o).Config.Web.Socket, filepath.Join(dir, "s", "controlcenter.sock"); got != want {
		t.Errorf("unset: got %q, want %q", got, want)
	}
	write(t, filepath.Join(dir, FileName), "web: {socket: \"\"}\n")
	if got := load(t, o).Config.Web.Socket; got != "" {
		t.Errorf("empty in the file: got %q, want off", got)
	}
	write(t, filepath.Join(dir, FileName), "")
	o.Environ = []string{"CC_WEB_SOCKET="}
	if got := load(t, o).Config.Web.Socket; got != "" {
		t.Errorf("empty in the environment: got %q, want off", got)
	}
	o.Environ, o.Flags["web.socket"] = nil, []string{""}
	if got := load(t, o).Config.Web.Socket; got != "" {
		t.Errorf("empty flag: got %q, want off", got)
	}
}

func TestListsInVariablesAndFlags(t *testing.T) {
	dir := t.TempDir()
	two := []string{"127.0.0.1:8080", "[::1]:54112"}
	for name, o := range map[string]Options{
		"comma list":    {Environ: []string{"CC_WEB_LISTEN_ADDRESSES=127.0.0.1:8080, [::1]:54112,"}},
		"JSON list":     {Environ: []string{`CC_WEB_LISTEN_ADDRESSES= ["127.0.0.1:8080", "[::1]:54112"]`}},
		"flag's name":   {Environ: []string{"CC_WEB_LISTEN_ADDRESS=127.0.0.1:8080,[::1]:54112"}},
		"both the same": {Environ: []string{"CC_WEB_LISTEN_ADDRESS=127.0.0.1:8080,[::1]:54112", "CC_WEB_LISTEN_ADDRESSES=127.0.0.1:8080,[::1]:54112"}},
		"repeated flag": {Flags: map[string][]string{"web.listen_addresses": two}},
	} {
		o.Dir = dir
		if got := load(t, o).Config.Web.ListenAddresses; !slices.Equal(got, two) {
			t.Errorf("%s: got %q, want %q", name, got, two)
		}
	}
	o := Options{Dir: dir, Environ: []string{"CC_WEB_LISTEN_ADDRESSES=[::1]:9"}}
	if got := load(t, o).Config.Web.ListenAddresses; !slices.Equal(got, []string{"[::1]:9"}) {
		t.Errorf("bracket in front of an address: got %q", got)
	}
	o.Environ = []string{"CC_WEB_CORS_ORIGINS=", "CC_EXPORTER_DISABLE=[]"}
	if got := load(t, o).Config; len(got.Web.CORSOrigins) != 0 || len(got.Exporter.Disable) != 0 {
		t.Errorf("empty lists: got %q %q", got.Web.CORSOrigins, got.Exporter.Disable)
	}
}

func TestEmptyVariableCountsAsUnsetWhereEmptyIsNoValue(t *testing.T) {
	o := Options{Dir: t.TempDir(), Environ: []string{"CC_LOG_LEVEL=", "CC_STREAM_INTERVAL=", "CC_STORAGE_PATH=", "CC_WEB_LISTEN_ADDRESSES=", "CC_WEB_INSECURE=", "CC_WEB_LISTEN_ADDRESS=:7"}}
	l := load(t, o)
	want := defaults(filepath.Join(o.Dir, "state"))
	want.Web.ListenAddresses = []string{":7"}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got %+v", l.Config)
	}
}

func TestSourcesNameEachLineOfTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	write(t, file, "web:\n  listen_addresses:\n    - 127.0.0.1:1\n    - 127.0.0.1:2\nexporter:\n  ports: {start: 1,\n    end: 2}\n")
	o := Options{Dir: dir}
	l := load(t, o)
	for key, line := range map[string]string{"web.listen_addresses": "2", "web.listen_addresses[0]": "3", "web.listen_addresses[1]": "4", "exporter.ports.start": "6", "exporter.ports.end": "7"} {
		if got, want := l.Sources[key], (Source{"file", file + ":" + line}); got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	o.Environ = []string{"CC_WEB_LISTEN_ADDRESSES=:5"}
	if got, ok := load(t, o).Sources["web.listen_addresses[1]"]; ok {
		t.Errorf("entry of a list that a variable replaced still has source %v", got)
	}
}

func TestOldNames(t *testing.T) {
	standard := defaults("")
	for _, c := range []struct {
		name string
		env  string
		set  func(*Config)
	}{
		{"host and port", "HOST=0.0.0.0 PORT=54112", func(c *Config) { c.Web.ListenAddresses = []string{"0.0.0.0:54112"} }},
		{"port alone", "PORT=54112", func(c *Config) { c.Web.ListenAddresses = []string{"127.0.0.1:54112"} }},
		{"host alone", "HOST=localhost", func(c *Config) { c.Web.ListenAddresses = []string{"localhost:8080"} }},
		{"IPv6 host", "HOST=::1 PORT=1", func(c *Config) { c.Web.ListenAddresses = []string{"[::1]:1"} }},
		{"our name wins", "HOST=0.0.0.0 PORT=1 CC_WEB_LISTEN_ADDRESS=127.0.0.1:2", func(c *Config) { c.Web.ListenAddresses = []string{"127.0.0.1:2"} }},
		{"origins by comma", "CORS_ORIGINS=http://A:80,https://b:8443", func(c *Config) { c.Web.CORSOrigins = []string{"http://a", "https://b:8443"} }},
		{"origins as JSON", `CORS_ORIGINS=["http://a"]`, func(c *Config) { c.Web.CORSOrigins = []string{"http://a"} }},
		{"interval", "WS_UPDATE_INTERVAL=5", func(c *Config) { c.Stream.Interval = unit.Duration(5 * time.Second) }},
		{"ports", "PORT_SCAN_START=1 PORT_SCAN_END=65535", func(c *Config) { c.Exporter.Ports = Ports{1, 65535} }},
		{"debug off", "DEBUG=False", func(*Config) {}},
		{"empty", "HOST= PORT= DEBUG= CORS_ORIGINS= WS_UPDATE_INTERVAL= PORT_SCAN_START=", func(*Config) {}},
		{"knowledge", "AI_AGENTS_ROOT=/x/", func(c *Config) { c.Knowledge.Roots = []KnowledgeRoot{{"main", "/x"}} }},
		{"those of later", "JWT_ALGORITHM=x OLLAMA_URL=x", func(*Config) {}},
		{"login", "JWT_SECRET=0123456789abcdef0123456789abcdef DEFAULT_ADMIN_USERNAME=ann DEFAULT_ADMIN_PASSWORD=long-enough", func(c *Config) {
			c.Auth.JWTSecret, c.Auth.DefaultAdmin = "0123456789abcdef0123456789abcdef", DefaultAdmin{"ann", "long-enough"}
		}},
		{"case matters", "debug=true host=0.0.0.0", func(*Config) {}},
		{"a compiler's", "CC=gcc CC_x86_64_unknown_linux_gnu=gcc", func(*Config) {}},
		{"of the client commands", "CC_URL=http://x CC_TOKEN=y", func(*Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := load(t, Options{Dir: t.TempDir(), Environ: strings.Fields(c.env)})
			want := standard
			want.Storage.Path, want.Web.Socket = l.Config.Storage.Path, l.Config.Web.Socket
			c.set(&want)
			if !reflect.DeepEqual(l.Config, want) || len(l.Warnings) != 0 {
				t.Errorf("got  %+v\nwant %+v\nwarnings %q", l.Config, want, l.Warnings)
			}
		})
	}
	l := load(t, Options{Dir: t.TempDir(), Environ: []string{"HOST=127.0.0.1", "PORT=1"}})
	if got, want := l.Sources["web.listen_addresses"], (Source{"environment", "HOST, PORT"}); got != want {
		t.Errorf("source: got %v, want %v", got, want)
	}
}

func TestOldNamesThatCannotBeUsedWarnOnce(t *testing.T) {
	for env, want := range map[string]string{
		"DATABASE_URL=sqlite+aiosqlite:///control-center.db": databaseURLWarning,
		"JWT_SECRET=short":            "environment JWT_SECRET: shorter than 32 characters, so it is ignored and a generated one is used",
		"DEFAULT_ADMIN_PASSWORD=x":    "environment DEFAULT_ADMIN_PASSWORD: shorter than 8 characters, so it is ignored and a password is generated when one is needed",
		"DEBUG=app:*":                 `environment DEBUG: "app:*" is neither true nor false, so it is ignored`,
		"HOST=x86_64-conda-linux-gnu": `environment HOST: "x86_64-conda-linux-gnu" is neither an IP address nor localhost, so it is ignored; set CC_WEB_LISTEN_ADDRESSES to say where to listen`,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".env"), env+"\n")
		l := load(t, Options{Dir: dir, Environ: []string{env}})
		if !slices.Equal(l.Warnings, []string{want}) {
			t.Errorf("%s: got %q, want %q once", env, l.Warnings, want)
		}
		if !reflect.DeepEqual(l.Config, defaults(filepath.Join(dir, "state"))) {
			t.Errorf("%s changed %+v", env, l.Config)
		}
	}
}

func TestFolderNamedDotEnvIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil {
		t.Fatal(err)
	}
	load(t, Options{Dir: dir})
}

func TestDefaultOptionsAreThoseOfTheProcess(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "relative/is/ignored")
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "conf"))
	t.Chdir(home)
	o := DefaultOptions()
	if want := filepath.Join(home, ".local", "state", "controlcenter"); o.StateDir != want {
		t.Errorf("state %s, want %s", o.StateDir, want)
	}
	if want := filepath.Join(home, "conf"); o.UserConfigDir != want || o.Dir != home {
		t.Errorf("config %s in %s, want %s in %s", o.UserConfigDir, o.Dir, want, home)
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "st"))
	if got, want := Default().Storage.Path, filepath.Join(home, "st", "controlcenter"); got != want {
		t.Errorf("state with XDG_STATE_HOME %s, want %s", got, want)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
