package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/commands.md")

// TestCommandsDocIsCurrent writes down the command tree and compares that with docs/commands.md.
func TestCommandsDocIsCurrent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# Commands

Written from the command tree by ` + "`go test ./internal/cli -run Current -update`" + `; ` + "`controlcenter VERB --help`" + ` shows the same.

Every verb takes ` + "`-o table|json|yaml`" + `, ` + "`--url`" + ` (or ` + "`CC_URL`" + `) for a daemon that is not the one of the configuration here, ` + "`--timeout`" + `,
` + "`--config.file` and `--storage.path`" + `. ` + "`--api-key`, `CC_API_KEY`" + ` or
` + "the keys file" + ` ([auth.md](auth.md)) give a key for another daemon. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused,
5 daemon unreachable. Names of services are completed from the running daemon; ` + "`controlcenter completion --help`" + ` says how.
Colours are for terminals only, and not where ` + "`NO_COLOR`" + ` is set.
`)
	root := New(Options{Stdout: io.Discard, Stderr: io.Discard})
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", g.Title[:len(g.Title)-1])
		for _, cmd := range root.Commands() {
			if cmd.GroupID == g.ID && !cmd.Hidden && cmd.Name() != "help" && cmd.Name() != "completion" {
				writeCommand(&b, cmd, "###")
			}
		}
	}
	name := filepath.Join("..", "..", "docs", "commands.md")
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), b.Bytes()) {
		t.Errorf("%s is stale: go test ./internal/cli -run Current -update", name)
	}
}

func writeCommand(b *bytes.Buffer, cmd *cobra.Command, head string) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n%s `%s`\n\n%s\n", head, cmd.UseLine()[len("controlcenter "):], text)
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", bytes.ReplaceAll([]byte(cmd.Example[2:]), []byte("\n  "), []byte("\n")))
	}
	var flags []*pflag.Flag
	configuration := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Value.(*typed); ok {
			configuration = true // they are in docs/configuration.md
		} else if f.Name != "help" {
			flags = append(flags, f)
		}
	})
	slices.SortFunc(flags, func(x, y *pflag.Flag) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	if len(flags) > 0 {
		b.WriteString("\n| flag | what |\n|---|---|\n")
		for _, f := range flags {
			short := ""
			if f.Shorthand != "" {
				short = "`-" + f.Shorthand + "` "
			}
			fmt.Fprintf(b, "| %s`--%s` | %s |\n", short, f.Name, bytes.ReplaceAll([]byte(f.Usage), []byte("|"), []byte("\\|")))
		}
	}
	if configuration {
		b.WriteString("\nIt takes the flags of docs/configuration.md too.\n")
	}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			writeCommand(b, sub, head+"#")
		}
	}
}
