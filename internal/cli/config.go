package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
)

func (e *env) configCmd() *cobra.Command {
	return group("config", "Show, check and describe the configuration", `  controlcenter config show          # values in force and where each came from
  controlcenter config check
  controlcenter config schema > controlcenter.schema.json`,
		e.configShowCmd(), e.configCheckCmd(), e.configSchemaCmd())
}

// shownSetting is one key in the output of config show.
type shownSetting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Source  string `json:"source"`
	Env     string `json:"env"`
	Flag    string `json:"flag"`
}

func shownSettings(l *config.Loaded) []shownSetting {
	out := []shownSetting{}
	for _, s := range l.Settings() {
		out = append(out, shownSetting{s.Key, s.Value, s.Default, s.Source.String(), s.Env, s.Flag})
	}
	return out
}

func (e *env) configShowCmd() *cobra.Command {
	var changed bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the values in force and where each came from; secrets are masked",
		Example: `  controlcenter config show
  controlcenter config show --changed
  CC_LOG_LEVEL=debug controlcenter config show -o json`,
		Args: maxArgs(0),
	}
	flags := configFlags(cmd.Flags())
	cmd.Flags().BoolVar(&changed, "changed", false, "only what differs from the defaults' source")
	cmd.RunE = e.run(func(*call) error {
		l, err := config.Load(e.loadOptions(flags()))
		if err != nil {
			return err
		}
		settings := shownSettings(l)
		if changed {
			kept := settings[:0]
			for _, s := range settings {
				if s.Source != "default" {
					kept = append(kept, s)
				}
			}
			settings = kept
		}
		e.warn(l.Warnings)
		out := struct {
			File     string         `json:"file"`
			Settings []shownSetting `json:"settings"`
		}{l.File, settings}
		return e.print(out, func() error {
			t := newTable("KEY", "VALUE", "SOURCE")
			for _, s := range settings {
				t.add(s.Key, s.Value, s.Source)
			}
			return t.write(e.o.Stdout, e.styled())
		})
	})
	return cmd
}

// warn shows the configuration's warnings on stderr, one line each.
func (e *env) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(e.o.Stderr, "controlcenter: warning: %s\n", clean(w))
	}
}

func (e *env) configCheckCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the configuration without starting anything",
		Example: `  controlcenter config check
  controlcenter config check /etc/controlcenter.yaml`,
		Args: maxArgs(1),
	}
	flags := configFlags(cmd.Flags())
	cmd.RunE = e.run(func(c *call) error {
		o := e.loadOptions(flags())
		if len(c.args) == 1 {
			o.File = c.args[0]
		}
		l, err := config.Load(o)
		out := configVerdict{Problems: []configProblem{}, Warnings: []string{}}
		if l != nil {
			out.Valid, out.File, out.Warnings = true, l.File, append(out.Warnings, l.Warnings...)
		}
		if ce, ok := errors.AsType[*config.Error](err); ok {
			for _, p := range ce.Problems {
				out.Problems = append(out.Problems, configProblem{p.Key, p.Text, p.Source.String(), p.Line, p.Column, p.Excerpt})
			}
		}
		if e.format == formatTable {
			if err != nil {
				return err
			}
			e.warn(l.Warnings)
			_, err := fmt.Fprintf(e.o.Stdout, "valid: %s\n", clean(sourceFile(l)))
			return err
		}
		if perr := e.print(out, nil); perr != nil {
			return perr
		}
		if err != nil {
			return fmt.Errorf("%d problem(s)", max(1, len(out.Problems)))
		}
		return nil
	})
	return cmd
}

// configVerdict is config check for scripts.
type configVerdict struct {
	Valid    bool            `json:"valid"`
	File     string          `json:"file"`
	Warnings []string        `json:"warnings"`
	Problems []configProblem `json:"problems"`
}

type configProblem struct {
	Key     string `json:"key"`
	Text    string `json:"text"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Excerpt string `json:"excerpt"`
}

func sourceFile(l *config.Loaded) string {
	if l.File == "" {
		return "no file: defaults, environment and flags"
	}
	return l.File
}

func (e *env) configSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Long: `Print the JSON Schema of the configuration file.

Editors check and complete the file with it, for instance after the line
  # yaml-language-server: $schema=controlcenter.schema.json`,
		Example: "  controlcenter config schema > controlcenter.schema.json",
		Args:    maxArgs(0),
		RunE: e.run(func(*call) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			return e.printDocument(b, e.format)
		}),
	}
}

// printDocument prints a JSON document, which has no table form: JSON unless YAML is asked for.
func (e *env) printDocument(b []byte, f format) error {
	if f == formatTable {
		f = formatJSON
	}
	out, err := render(json.RawMessage(b), f)
	if err != nil {
		return err
	}
	_, err = e.o.Stdout.Write(out)
	return err
}
