package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzLoad gives Load any file and any .env: it must return, with a checked configuration or with problems that have a place.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("..", "..", "examples", FileName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example, EnvExample())
	f.Add([]byte("services:\n  a: {command: [x], depends_on: {b: {condition: healthy}}, restart: {initial: 1s}, limits: {memory: 1GiB, cpu: .5}}\n  b:\n    command: [\"${self}\"]\n    probes: {readiness: {http: x}}\n"), []byte(""))
	f.Add([]byte("web: {listen_addresses: [a, 1, null], socket: \"\"}\nlog:\n- x\n? y\n: z\n"), []byte("CC_LOG_LEVEL='x\nPORT=1"))
	f.Add([]byte("a: &b [*b, !!x y]\n<<: |\n  t\n---\n%YAML 1.2\n"), []byte("export CC_WEB_LISTEN_ADDRESS=[\"a\"]"))
	f.Add([]byte("stream: {interval: 1h1h1h}\nexporter: {ports: {start: 0x10, end: 1_0}}\n"), []byte("HOST=::1\nDEBUG=x"))
	f.Fuzz(func(t *testing.T, file, dotenv []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{FileName: file, ".env": dotenv} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Load(Options{Dir: dir, StateDir: dir, Executable: "/bin/controlcenter"})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) == 0 || l != nil {
				t.Fatalf("got %v, %v", l, err)
			}
			for _, p := range e.Problems {
				if p.Text == "" || p.Source.Kind == "" || p.Line < 0 || p.Column < 0 {
					t.Fatalf("problem without a place: %+v", p)
				}
			}
			return
		}
		// What was accepted is within its rules, so what `config show` prints can be given again.
		root := reflect.ValueOf(l.Config)
		for _, key := range keys() {
			if key.Env == "" {
				continue
			}
			v := reflect.New(key.Type).Elem()
			if key.Env == "" || key.Type.Kind() == reflect.String && key.in(root).Len() == 0 {
				continue
			}
			if wrong := setText(v, key.Tag, dir, []string{show(key.in(root), key.Tag)}); wrong != "" {
				t.Fatalf("%s: accepted, but %s", key.Key, wrong)
			}
		}
	})
}
