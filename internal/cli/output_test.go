package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const portsFixture = `{"success":true,"count":3,"ports":[
 {"port":3000,"pid":null,"process_name":null,"process":null,"status":"LISTEN","address":"0.0.0.0","protocol":"TCP","service":null},
 {"port":8188,"pid":4242,"process_name":"python3","process":"python3","status":"LISTEN","address":"127.0.0.1","protocol":"TCP","service":"comfyui"},
 {"port":9000,"pid":7,"process_name":"a\u001b[2Jb","process":"a\u001b[2Jb\u009b\u202e","status":"NONE","address":"::","protocol":"UDP","service":null}]}`

const processesFixture = `{"success":true,"count":120,"processes":[
 {"pid":4242,"name":"python3","cpu_percent":150.25,"memory_percent":12.5,"status":"running","cpu":150.25,"memory":2147483648,"memory_rss":2147483648,"user":"ada","cmdline":"python3 main.py --listen"},
 {"pid":9,"name":"Xorg","cpu_percent":null,"memory_percent":0.04,"status":"sleeping","memory_rss":4194304,"user":"root","cmdline":""},
 {"pid":77,"name":"evil\nname","cpu_percent":3,"memory_percent":1,"status":"zombie","memory_rss":0,"user":null,"cmdline":null}]}`

func TestTablesAreStable(t *testing.T) {
	for _, c := range []struct {
		name, body string
		args       []string
		want       string
	}{
		{"ports", portsFixture, []string{"ports"}, `PORT  PROTO  ADDRESS    STATUS   PID  PROCESS                SERVICE
3000  TCP    0.0.0.0    LISTEN     -  -                      -
8188  TCP    127.0.0.1  LISTEN  4242  python3                comfyui
9000  UDP    ::         NONE       7  a\x1b[2Jb\u009b\u202e  -
`},
		{"ps", processesFixture, []string{"ps"}, ` PID  USER  STATUS     CPU%  MEM%   MEMORY  NAME        COMMAND
4242  ada   running   150.2  12.5  2.0 GiB  python3     python3 main.py --listen
   9  root  sleeping      -   0.0  4.0 MiB  Xorg        -
  77  -     zombie      3.0   1.0      0 B  evil\nname  -
3 of 120 processes
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runCLI(t, nil, append(c.args, "--url", answer(t, 200, "application/json", c.body))...)
			if r.code != 0 || r.out != c.want {
				t.Errorf("exit %d %s\ngot\n%s\nwant\n%s", r.code, r.err, r.out, c.want)
			}
		})
	}
}

func TestNothingFoundExitsThree(t *testing.T) {
	if r := runCLI(t, nil, "ps", "nosuch", "--url", answer(t, 200, "application/json", `{"success":true,"count":0,"processes":[]}`)); r.code != ExitNotFound || !strings.Contains(r.err, `no process matches "nosuch"`) {
		t.Errorf("ps: %d %q", r.code, r.err)
	}
	if r := runCLI(t, nil, "ports", "4000", "--url", answer(t, 200, "application/json", `{"success":true,"count":0,"ports":[]}`)); r.code != ExitNotFound || !strings.Contains(r.err, "nothing listens on port 4000") {
		t.Errorf("ports: %d %q", r.code, r.err)
	}
}

func TestJSONAndYAMLCarryTheSameDocument(t *testing.T) {
	url := answer(t, 200, "application/json", portsFixture)
	var want, fromJSON, fromYAML any
	if err := json.Unmarshal([]byte(portsFixture), &want); err != nil {
		t.Fatal(err)
	}
	j := runCLI(t, nil, "ports", "-o", "json", "--url", url)
	y := runCLI(t, nil, "ports", "-o", "yaml", "--url", url)
	if err := json.Unmarshal([]byte(j.out), &fromJSON); err != nil {
		t.Fatal(err, j)
	}
	if !reflect.DeepEqual(fromJSON, want) {
		t.Errorf("json: got %v, want %v", fromJSON, want)
	}
	if err := yaml.Unmarshal([]byte(y.out), &fromYAML); err != nil {
		t.Fatal(err, y.out)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(again, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("yaml: got %v, want %v\n%s", got, want, y.out)
	}
	for _, out := range []string{j.out, y.out} {
		if strings.ContainsAny(out, "\x1b\u009b\u202e") {
			t.Errorf("control characters reach the terminal: %q", out)
		}
		if strings.Index(out, "success") > strings.Index(out, "count") {
			t.Errorf("keys lost their order: %s", out)
		}
	}
}

// The numbers of a document are compared as text: readers of YAML differ in how they read 1e400.
func FuzzYAMLIsReadBackAsTheSameDocument(f *testing.F) {
	f.Add(`{"a":["1",{"b":[]},[["2"]],{}],"c":"yes","":null,"d":"# x: y","e":"1e3","f":" lead","g":"\u0007","😀":"\ud83d\ude00 ok"}`)
	f.Add(`{"a":"a\nb","n":{"m":{"o":[{"p":true,"q":"-"},{"p":"~"}]}}}`)
	f.Add(`{"a/b":"0x1f","c d":"12:30:45","e":"?","f":"<<","g":"=","h":"1_000",".":"...","i":"---"}`)
	f.Fuzz(func(t *testing.T, doc string) {
		d := json.NewDecoder(strings.NewReader(doc))
		d.UseNumber()
		var want map[string]any
		if !json.Valid([]byte(doc)) || d.Decode(&want) != nil || hasNumber(want) {
			t.Skip()
		}
		out, err := toYAML(cleanJSON([]byte(doc)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(out) {
			if r != '\n' && !printable(string(r)) {
				t.Fatalf("%q holds the unprintable %q", out, r)
			}
		}
		var got map[string]any
		if err := yaml.Unmarshal(out, &got); err != nil {
			if strings.Contains(err.Error(), "already defined") {
				t.Skip() // a key given twice, which JSON allows
			}
			t.Fatalf("%v\n%s", err, out)
		}
		if len(want)+len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("got %#v, want %#v\n%s", got, want, out)
		}
	})
}

func hasNumber(v any) bool {
	switch t := v.(type) {
	case json.Number:
		return true
	case []any:
		return slices.ContainsFunc(t, hasNumber)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(t)), hasNumber)
	}
	return false
}

func TestCleanEscapesWhatDoesNotPrint(t *testing.T) {
	for in, want := range map[string]string{
		"plain":          "plain",
		"käse 字":         "käse 字",
		"a\x1b[31mb":     `a\x1b[31mb`,
		"tab\tnl\ncr\r":  `tab\tnl\ncr\x0d`,
		"\xff\xfe":       `\xff\xfe`,
		"\u202eabc":      `\u202eabc`,
		"\u009b31m":      `\u009b31m`,
		"\x7f":           `\x7f`,
		"\U000e0001":     `\U000e0001`,
		"no-break\u00a0": `no-break\u00a0`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestColourOnlyWhereItIsWanted(t *testing.T) {
	tbl := newTable("NAME", "STATUS")
	tbl.add("x", "fail")
	var plain, painted bytes.Buffer
	if err := tbl.write(&plain, style{}); err != nil {
		t.Fatal(err)
	}
	if err := tbl.write(&painted, style{on: true}); err != nil {
		t.Fatal(err)
	}
	if want := "NAME  STATUS\nx     fail\n"; plain.String() != want {
		t.Errorf("got %q, want %q", plain.String(), want)
	}
	if !strings.Contains(painted.String(), "\x1b[31mfail\x1b[0m") {
		t.Errorf("no colour in %q", painted.String())
	}
	e := &env{o: Options{Stdout: &plain}, vars: map[string]string{}}
	if e.styled().on {
		t.Error("colour on something that is no terminal")
	}
}
