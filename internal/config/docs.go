package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

const docHead = `# Configuration

<!-- Written by "go test ./internal/config -run Current -update" from the struct in internal/config/config.go. -->

Everything has a default: without any configuration the server listens on ` + "`127.0.0.1:8080`" + `. A value comes from the first of

1. a flag of ` + "`controlcenter serve`" + `,
2. an environment variable, real ones before those of a ` + "`.env`" + ` file in the working directory,
3. the configuration file,
4. the default.

The file is the one that ` + "`--config.file`" + ` (or ` + "`CC_CONFIG_FILE`" + `) names, else ` + "`controlcenter.yaml`" + ` in the working directory, else
` + "`controlcenter/controlcenter.yaml`" + ` in the user's configuration directory (` + "`$XDG_CONFIG_HOME`" + ` or ` + "`~/.config`" + ` on Linux,
` + "`~/Library/Application Support`" + ` on macOS, ` + "`%AppData%`" + ` on Windows), else none. Relative paths in it are relative to the file;
in flags and variables they are relative to the working directory. ` + "`~`" + ` and variables are not expanded.

The file is read strictly. An unknown key, a wrong type, a value out of range or a key given twice is an error that shows the
place, and nothing is started or changed:

` + "```" + `
`

const docKeys = "```" + `

` + "`controlcenter config check`" + ` reads it without starting anything, ` + "`config show`" + ` prints the values in force and where each came
from, ` + "`config schema`" + ` prints its JSON Schema. SIGHUP or ` + "`POST /-/reload`" + ` reads it again; when it is wrong, the old one stays.

Durations are written ` + "`500ms`, `2s`, `5m`, `1h30m`, `7d`" + `. Lists are comma lists or JSON lists in variables and flags; flags of lists may
be given more than once. An empty variable counts as not set where an empty value is not accepted.

## Keys
`

const docOld = `
## Variables of the older Python backend

They are read when neither the ` + "`CC_`" + ` variable nor the flag of the key is set, and like every variable they override the file.

| variable | sets | note |
|---|---|---|
`

// exampleFile is the broken file whose error the documentation shows.
const exampleFile = "web:\n  listen_adresses: [\"127.0.0.1:8080\"]\nstream:\n  interval: 90s\n"

// Markdown returns docs/configuration.md, written from the struct.
func Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(docHead)
	l := &loader{out: &Loaded{Config: defaults(""), Sources: map[string]Source{}}}
	l.decodeFile(FileName, []byte(exampleFile), "")
	fmt.Fprintln(&b, &Error{l.problems})
	b.WriteString(docKeys)
	standard := reflect.ValueOf(defaults(""))
	section := ""
	for _, f := range keys() {
		if top, _, _ := strings.Cut(f.Key, "."); top != section {
			section = top
			sf, _ := sectionField(top)
			if f.Key == "services" {
				writeServiceDocs(&b)
				continue
			}
			fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n| key | type | default | variable | flag | meaning |\n|---|---|---|---|---|---|\n", top, sf.Tag.Get("doc"))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s Accepted: %s. |\n", f.Key, kind(f.Type), cell(f.standard(standard)), code(f.Env), flagCell(f.Flag), f.Tag.Get("doc"), accepted(f.Type, f.Tag))
		entryRows(&b, f)
	}
	var aliases []string
	for _, f := range keys() {
		if f.Alias != "" {
			aliases = append(aliases, code(f.Alias)+" (for "+code(f.Env)+")")
		}
	}
	if len(aliases) > 0 {
		b.WriteString("\nAlso read, named like the flag: " + strings.Join(aliases, ", ") + ". Setting both to different values is an error.\n")
	}
	b.WriteString("Variables that start with `CC_` and name no key are errors.\n")
	b.WriteString(docOld)
	for _, rule := range oldRules {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", strings.Join(rule.names, "`, `"), rule.key, rule.doc)
	}
	b.WriteString("| `DATABASE_URL` | – | not used; a warning says so |\n")
	b.WriteString("\nThese may stay where they are and are not used: `" + strings.Join(oldUnused, "`, `") + "`.\n")
	return b.Bytes()
}

// entryRows documents the keys of the sections that a list or map holds.
func entryRows(b *bytes.Buffer, f *field) {
	at := map[reflect.Kind]string{reflect.Slice: "[]", reflect.Map: ".NAME"}[f.Type.Kind()]
	if at == "" || !isSection(f.Type.Elem()) {
		return
	}
	for _, e := range walk(f.Type.Elem()) {
		fmt.Fprintf(b, "| `%s%s.%s` | %s | – | – | – | %s Accepted: %s. |\n", f.Key, at, e.Key, kind(e.Type), e.Tag.Get("doc"), accepted(e.Type, e.Tag))
	}
}

const docServices = `
### ` + "`services`" + `

Services and jobs by name. A name has 1 to 100 letters, digits, ` + "`-` and `_`; `-` and `_`" + ` and the case of letters make no
difference. What is left out is filled from the template and the defaults. Every wrong definition is reported with its
place before anything is started or changed. Variables and flags do not reach into definitions. Entries of this file can be
changed here only; those made by ` + "`controlcenter add`" + ` or the API are kept in the store.

` + "```yaml" + `
services:
  web:
    command: ["${self}", "demo", "steady", "--port", "8901"]
    ports: [8901]
    autostart: true
    depends_on: {database: {condition: healthy}}
    probes:
      readiness: {http: "http://127.0.0.1:8901/health", interval: 5s}
  database:
    command: [postgres, -D, data]
    cwd: ./db
    secrets: [PGPASSWORD] # its value: controlcenter secret set database PGPASSWORD
    probes:
      readiness: {tcp: "127.0.0.1:5432"}
  tidy:
    type: job
    command: [./tidy.sh]
    schedule: {cron: "0 3 * * *", timeout: 10m}
` + "```" + `

` + "`${self}`" + ` as the first word of a command is the path of the program that reads the file. It is replaced when the file is read
(also by ` + "`controlcenter add -f` and `edit`" + `); definitions sent to the API do not know it. ` + "`depends_on.*`" + ` stands for the name of a
service, ` + "`probes.*` for `startup`, `readiness` and `liveness`" + `.

| key of an entry | type | default | meaning |
|---|---|---|---|
`

func writeServiceDocs(b *bytes.Buffer) {
	b.WriteString(docServices)
	for _, k := range specKeys() {
		standard := k.Tag.Get("default")
		if standard == "" {
			standard = "–"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s Accepted: %s. |\n", k.Key, kind(k.Type), standard, k.Tag.Get("doc"), accepted(k.Type, k.Tag))
	}
}

func sectionField(name string) (reflect.StructField, bool) {
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if yamlName(t.Field(i)) == name {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// cell shows a default; a phrase in words stays plain.
func cell(s string) string {
	if strings.Contains(s, " ") && !strings.HasPrefix(s, "<") {
		return s
	}
	return strings.ReplaceAll(code(s), ",", "`, `")
}

func flagCell(s string) string {
	if s == "" {
		return "–"
	}
	return code("--" + s)
}

// EnvExample returns .env.example: every variable with its default, all commented out.
func EnvExample() []byte {
	var b bytes.Buffer
	b.WriteString("# Copy to .env in the directory the server is started in, and uncomment what you change.\n# Real environment variables win over this file. Every key: docs/configuration.md\n")
	standard := reflect.ValueOf(defaults(""))
	for _, f := range keys() {
		if f.Env == "" {
			continue
		}
		fmt.Fprintf(&b, "\n# %s Accepted: %s.\n", f.Tag.Get("doc"), accepted(f.Type, f.Tag))
		value := show(f.in(standard), f.Tag)
		if text := f.Tag.Get("default"); text != "" {
			fmt.Fprintf(&b, "# Default: %s\n", text)
			value = ""
		}
		fmt.Fprintf(&b, "#%s=%s\n", f.Env, value)
	}
	return b.Bytes()
}
