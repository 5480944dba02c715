package control

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestAMaskIsNeverStoredAsAValue(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		ctx := r.t.Context()
		if _, err := r.Create(ctx, parsed(t, "web", `{"command": ["web"], "env": {"API_TOKEN": "hush", "PLAIN": "x"}}`), "tester"); err != nil {
			t.Fatal(err)
		}
		env := func(want string) {
			t.Helper()
			st, err := r.Get("web")
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(st.Spec.Env); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		for _, patch := range []string{
			`{"description": "x", "env": {"API_TOKEN": "********"}}`,
			`{"env": {"API_TOKEN": " ******** "}}`, // blanks of an editor
			`{"env": {"API_TOKEN": "********", "PLAIN": null, "MORE": "1"}}`,
		} {
			if _, err := r.Patch(ctx, "web", []byte(patch), "tester"); err != nil {
				t.Errorf("%s: %v", patch, err)
			}
		}
		env("map[API_TOKEN:hush MORE:1]")
		for patch, field := range map[string]string{
			`{"env": {"API_TOKEN": null, "API_KEY": "********"}}`:                                       "env.API_KEY",
			`{"command": ["web", "--password=***"]}`:                                                    "command[1]",
			`{"command": ["web", "--token", "***"]}`:                                                    "command[2]",
			`{"command": ["web", "postgres://u:***@h/x"]}`:                                              "command[1]",
			`{"stop": {"command": ["admin", "--password=***"]}}`:                                        "stop.command[1]",
			`{"probes": {"readiness": {"exec": ["check", "--api-key=***"]}}}`:                           "probes.readiness.exec[1]",
			`{"template": null, "command": ["web"], "env": {"PASSWORD": "********", "TOKEN": "given"}}`: "env.PASSWORD",
		} {
			_, err := r.Patch(ctx, "web", []byte(patch), "tester")
			wrong, ok := errors.AsType[*InvalidError](err)
			if !ok || len(wrong.Fields) != 1 || wrong.Fields[0].Field != field {
				t.Errorf("%s: got %v, want one wrong field, %s", patch, err, field)
			}
		}
		env("map[API_TOKEN:hush MORE:1]")
		if _, err := r.Patch(ctx, "web", []byte(`{"command": ["echo", "***", "a***b", "--glob=***"]}`), "tester"); err != nil {
			t.Errorf("stars that stand for no secret: %v", err)
		}
		if _, err := r.Create(ctx, parsed(t, "other", `{"command": ["x"], "env": {"KEY": "********"}}`), "tester"); !errors.Is(err, ErrInvalid) {
			t.Errorf("a new service with a mask: %v", err)
		}
		file := []Definition{{parsed(t, "filed", `{"command": ["x"], "env": {"KEY": "********"}}`), "f:1"}}
		if err := r.Sync(ctx, file, "reload"); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "env.KEY") {
			t.Errorf("a file with a mask: %v", err)
		}
	})
}

func TestMaskedDefinitionHidesEveryCommand(t *testing.T) {
	s := parsed(t, "web", `{"command": ["web", "--password=hunter2"], "env": {"LEVEL": "hunter2"}, "stop": {"command": ["admin", "--password", "hunter2", "shutdown"]},
		"probes": {"startup": {"exec": ["check", "--token=hunter2"]}, "liveness": {"http": "http://u:hunter2@h/"}}}`)
	shown := s.Masked()
	if text := fmt.Sprintf("%v %v %v", *shown, *shown.Probes.Startup, *shown.Probes.Liveness); strings.Contains(text, "hunter2") || !strings.Contains(text, "shutdown") {
		t.Errorf("shows %s", text)
	}
	plain := parsed(t, "plain", `{}`)
	if !reflect.DeepEqual(plain.Masked(), plain) {
		t.Errorf("masking adds fields: %+v", plain.Masked())
	}
}
