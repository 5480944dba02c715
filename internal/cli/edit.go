package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
)

// defined is a service with its definition.
type defined struct {
	service
	Definition json.RawMessage `json:"definition"`
}

func (e *env) editCmd() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change the definition of a service or job",
		Long: `Change the definition of a service or job: in $VISUAL or $EDITOR as YAML, or by --set.
When something is wrong with it, the editor opens again with the reason on top; a
file that is left as it was, or emptied, changes nothing. What runs is not touched: a
change is in force from the next start, except for probes, restart, stop and
schedule, which are at once.`,
		Example: `  controlcenter edit web
  controlcenter edit web --set restart.policy=always --set ports=8000,8001
  controlcenter edit web --set env.LOG=debug --set limits.memory=    # empty: back to the default`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: e.completeServices(func(s *service) bool { return s.Origin == "api" }),
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "key=value; lists are comma lists or JSON")
	cmd.RunE = e.run(func(c *call) error {
		if len(set) > 0 {
			patch, err := config.PatchService(set, e.load.Dir)
			if err != nil {
				return usagef("--set: %w", err)
			}
			return e.patch(c, patch)
		}
		var d defined
		if _, err := c.client.decode(c.ctx, servicePath(c.args[0]), &d); err != nil {
			return err
		}
		if d.Origin != "api" {
			return exitf(ExitRefused, "%s is defined in the configuration file, at %s; change it there", d.Name, d.Origin)
		}
		return e.editor(c, &d)
	}, needDaemon)
	return cmd
}

func (e *env) patch(c *call, patch map[string]any) error {
	var out struct {
		Service struct {
			RestartNeeded bool `json:"restart_needed"`
		} `json:"service"`
	}
	raw, err := c.client.exchange(c.ctx, http.MethodPatch, servicePath(c.args[0]), patch, &out)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		text := ": changed"
		if out.Service.RestartNeeded {
			text += fmt.Sprintf("; what runs does not know it yet, see \"controlcenter restart %s\"", c.args[0])
		}
		_, err := fmt.Fprintln(e.o.Stdout, clean(c.args[0]+text))
		return err
	})
}

// editHead stands above the definition in the editor.
const editHead = `# %s: the keys of docs/configuration.md, "services". Lines with # in front are ignored.
# Values shown as ******** stay what they are unless they are changed.
`

// editor lets the user change the definition in a file until it is right, unchanged or empty.
func (e *env) editor(c *call, d *defined) error {
	before, err := asMap(d.Definition)
	if err != nil {
		return err
	}
	for _, key := range []string{"name", "id"} {
		delete(before, key)
	}
	dropSecrets(before)
	ordered, err := without(d.Definition, before)
	if err != nil {
		return err
	}
	yaml, err := toYAML(ordered)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "controlcenter-edit-") // mode 0700: definitions hold environments
	if err != nil {
		return fmt.Errorf("make a file to edit: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, d.Name+".yaml")
	head := []byte(fmt.Sprintf(editHead, d.Name))
	text := append(bytes.Clone(head), yaml...)
	var wrong error
	for {
		if err := os.WriteFile(file, append(comment(wrong), text...), 0o600); err != nil {
			return fmt.Errorf("write the file to edit: %w", err)
		}
		if err := e.openEditor(c, file); err != nil {
			return err
		}
		edited, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the edited file: %w", err)
		}
		edited = uncomment(edited)
		if same := bytes.Equal(edited, text); same || len(bytes.TrimSpace(withoutComments(edited))) == 0 {
			if wrong != nil {
				return wrong
			}
			_, err := fmt.Fprintln(e.o.Stdout, clean(d.Name+": nothing changed"))
			return err
		}
		text = edited
		spec, err := config.ReadService(d.Name, d.Name+".yaml", e.load.Dir, text, e.load.Executable)
		if err != nil {
			wrong = usagef("%w", err)
			continue
		}
		after, err := asMap(spec)
		if err != nil {
			return err
		}
		delete(after, "name")
		patch := mergePatch(before, after)
		if len(patch) == 0 {
			_, err := fmt.Fprintln(e.o.Stdout, clean(d.Name+": nothing changed"))
			return err
		}
		if err = e.patch(c, patch); !isStatus(err, http.StatusUnprocessableEntity) {
			return err
		}
		wrong = err
	}
}

// dropSecrets takes out of env what only stands there to show that there is such a secret.
func dropSecrets(spec map[string]any) {
	env, _ := spec["env"].(map[string]any)
	secrets, _ := spec["secrets"].([]any)
	for _, name := range secrets {
		if name, ok := name.(string); ok {
			delete(env, name)
		}
	}
	if len(env) == 0 {
		delete(spec, "env")
	}
}

// without returns the object raw with its keys in their order, those that kept does not have left out, with kept's values.
func without(raw json.RawMessage, kept map[string]any) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("definition: %w", err)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("definition: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("definition: %w", err)
		}
		name, _ := key.(string)
		v, ok := kept[name]
		if !ok {
			continue
		}
		if name == "env" { // the only one that was changed
			if value, err = marshal(v); err != nil {
				return nil, err
			}
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, err := marshal(name)
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(k))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// errorMark begins the lines that say what was wrong; they are taken out again before the file is read.
const errorMark = "#! "

func comment(err error) []byte {
	if err == nil {
		return nil
	}
	var b bytes.Buffer
	for line := range strings.Lines(err.Error()) {
		b.WriteString(errorMark + strings.TrimRight(line, "\n") + "\n")
	}
	return b.Bytes()
}

func uncomment(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(strings.TrimSpace(errorMark))) {
			b.Write(line)
		}
	}
	return b.Bytes()
}

func withoutComments(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			b.Write(line)
		}
	}
	return b.Bytes()
}

// mergePatch returns the JSON merge patch (RFC 7396) that makes b of a.
func mergePatch(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k := range a {
		if _, still := b[k]; !still {
			out[k] = nil
		}
	}
	for k, v := range b {
		old, was := a[k]
		oldMap, isMap := old.(map[string]any)
		newMap, stays := v.(map[string]any)
		switch {
		case was && reflect.DeepEqual(old, v):
		case was && isMap && stays:
			out[k] = mergePatch(oldMap, newMap)
		default:
			out[k] = v
		}
	}
	return out
}

// openEditor runs the user's editor on a file and waits for it.
func (e *env) openEditor(c *call, file string) error {
	words := strings.Fields(e.vars["VISUAL"])
	if len(words) == 0 {
		words = strings.Fields(e.vars["EDITOR"])
	}
	if len(words) == 0 {
		words = []string{"vi"}
		if runtime.GOOS == "windows" {
			words = []string{"notepad"}
		}
	}
	cmd := exec.CommandContext(c.ctx, words[0], append(words[1:], file)...) // the user's own choice
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.o.Stdin, e.o.Stdout, e.o.Stderr
	cmd.Env = e.o.Environ
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("editor %s: %w; set $EDITOR, or use --set", words[0], err)
	}
	return nil
}
