package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryTemplateIsAValidDefinition(t *testing.T) {
	all := Templates()
	if want := []string{"comfyui", "jupyter", "kb-scheduler", "n8n", "ollama"}; !slices.Equal(slices.Sorted(maps.Keys(all)), want) {
		t.Errorf("templates: %v, want %v", slices.Sorted(maps.Keys(all)), want)
	}
	for name := range all {
		s, err := (&Spec{ID: name, Template: name}).Effective()
		if err == nil {
			err = s.Check()
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGivenBeatsTemplateBeatsDefault(t *testing.T) {
	s := effective(t, `{"name": "comfyui", "template": "comfyui", "ports": [9000], "env": {"A": "1"}, "stop": {"grace": "0s"},
		"restart": {"jitter": 0, "limit": {"attempts": 0}}, "probes": {"readiness": {"tcp": "127.0.0.1:9000"}}}`)
	got := fmt.Sprint(s.Ports, s.Env, s.Stop.Signal, " ", s.Stop.Grace, " ", *s.Restart.Jitter, *s.Restart.Limit.Attempts, s.Restart.Initial, " ",
		s.Probes.Readiness.Kind(), " ", s.Probes.Readiness.Interval, " ", s.Probes.Startup.Kind(), s.Command[1])
	want := "[9000] map[A:1 PYTHONUNBUFFERED:1]SIGINT 0s 0 0 1s tcp 5s httpmain.py"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s := effective(t, `{"template": "kb-scheduler"}`); s.Type != TypeJob || s.Schedule.Overlap != "skip" || s.Schedule.Keep != 100 || s.Restart.Policy != RestartNo {
		t.Errorf("job of a template: %+v %+v", s.Type, s.Schedule)
	}
}

func TestEachWrongFieldIsNamed(t *testing.T) {
	s, err := (&Spec{
		ID: "bad id!", Type: "x", Template: "nope", Command: nil, Cwd: "rel", Ports: []uint16{80, 80}, Tags: []string{"a b"}, Env: map[string]string{"1x": "", "T": "a\x00"},
		Secrets: []string{"T"}, Umask: "9", Nice: 99, Group: "g", SuccessCodes: []int{-1}, Reload: "SIGFOO", DependsOn: map[string]Dependency{"bad id!": {Condition: "x"}},
		Restart: Restart{Policy: "sometimes", Factor: 0.5}, Stop: Stop{Signal: "SIGFOO"}, Limits: Limits{CPU: -1}, Logs: Logs{Mode: "x", Keep: -1},
		Schedule: &Schedule{Cron: "61 * * * *", Overlap: "x", Timezone: "Mars/Base"},
	}).Effective()
	if err != nil {
		t.Fatal(err)
	}
	err = s.Check()
	inv, ok := errors.AsType[*InvalidError](err)
	if !ok || !errors.Is(err, ErrInvalid) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	var fields []string
	for _, f := range inv.Fields {
		fields = append(fields, f.Field)
	}
	want := []string{
		"name", "type", "template", "command", "cwd", "umask", "nice", "group", "success_codes[0]", "stop.signal", "reload", `env."1x"`, "env.T", "env.T", "restart.policy", "restart.factor",
		"schedule", "schedule.timezone", "schedule.overlap", "ports[1]", "tags[0]", "depends_on.bad id!", "depends_on.bad id!", "depends_on.bad id!.condition",
		"limits.cpu", "logs.mode", "logs.keep",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("got  %q\nwant %q\n%v", fields, want, err)
	}
}

func TestWrongJSONNamesTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"comand": ["x"]}`:                    "comand: unknown field",
		`{"ports": ["x"]}`:                     "ports: must not be a string",
		`{"restart": {"factor": "2"}}`:         "restart.factor: must not be a string",
		`{"stop": {"grace": "soon"}}`:          `stop.grace: "soon" is not a duration such as 500ms, 10s, 5m or 7d`,
		`{"command": ["x"]} {}`:                "there is something behind the JSON object",
		`{"limits": {"memory": "24 bananas"}}`: `limits.memory: "24 bananas" is not a size such as 64MiB, 10MB or 1048576`,
	} {
		if _, err := ParseSpec([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestPatchChangesOnlyWhatItNames(t *testing.T) {
	s, err := ParseSpec([]byte(`{"id": "a_b", "command": ["x", "y"], "env": {"A": "1", "B": "2"}, "autostart": true, "stop": {"grace": "3s"}}`))
	if err != nil || s.ID != "a_b" {
		t.Fatal(s, err)
	}
	p, err := s.Patched([]byte(`{"env": {"A": null, "C": "3"}, "autostart": false, "name": "A-B"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := *s
	want.Env, want.Autostart = map[string]string{"B": "2", "C": "3"}, false
	if !reflect.DeepEqual(*p, want) {
		t.Errorf("got  %+v\nwant %+v", *p, want)
	}
	for _, bad := range []string{`{"name": "other"}`, `[]`, `null`, `{"nope": 1}`} {
		if _, err := s.Patched([]byte(bad)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want an invalid error", bad, err)
		}
	}
}

func TestEffectiveDefinitionReadsBackTheSame(t *testing.T) {
	for name := range Templates() {
		s := effective(t, fmt.Sprintf(`{"name": %q, "template": %q}`, name, name))
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again := effective(t, string(text))
		if !reflect.DeepEqual(s, again) {
			t.Errorf("%s: %s reads back differently", name, text)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	s := &Spec{Env: map[string]string{"PORT": "1", "hf_token": "x", "DB_PASSWORD": "y"}, Secrets: []string{"KEY"}}
	want := map[string]string{"PORT": "1", "hf_token": Mask, "DB_PASSWORD": Mask, "KEY": Mask}
	if got := s.ShownEnv(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNamesAreComparedWithoutCaseAndDashes(t *testing.T) {
	if a, b := Key("KB_Scheduler"), Key("kb-scheduler"); a != b {
		t.Errorf("%q and %q differ", a, b)
	}
}

func FuzzParseSpec(f *testing.F) {
	for name := range templates {
		f.Add(fmt.Sprintf(`{"name": "x", "template": %q}`, name))
	}
	f.Add(`{"name":"x","command":["a"],"restart":{"initial":"1s","max":null},"probes":{"liveness":{"tcp":"a:1"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec([]byte(text))
		if err != nil {
			return
		}
		full, err := s.Effective()
		if err != nil {
			return
		}
		if full.Check() == nil && full.Type == TypeService {
			d := full.Restart.delay(3, 0.5)
			if d < 0 || d > 2*full.Restart.Max.Std()+time.Second {
				t.Errorf("%s: delay %s", text, d)
			}
		}
		if strings.Contains(fmt.Sprint(full.Check()), "%!") {
			t.Errorf("%s: bad message %v", text, full.Check())
		}
	})
}

func TestEveryFieldThatCannotBeReadIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"name": "x", "schedule": {"every": "foo"}}`:                                                  `schedule.every: "foo" is not a duration such as 500ms, 10s, 5m or 7d`,
		`{"name": "x", "restart": {"nope": 1}}`:                                                        `restart.nope: unknown field`,
		`{"name": "x", "ports": ["http"]}`:                                                             `ports: must not be a string`,
		`{"name": "x", "limits": {"memory": "much"}, "nope": 1, "env": {"A": 1}}`:                      `env.A: must not be a number; limits.memory: `,
		`{"name": "x", "probes": {"readiness": {"http": "http://a/", "interval": "1x"}}, "cwd": "/a"}`: `probes.readiness.interval: "1x" is not a duration`,
		`{"name": "x"} 1`: `there is something behind the JSON object`,
	} {
		_, err := ParseSpec([]byte(text))
		if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
