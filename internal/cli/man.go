package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCmd writes man pages; packagers call it, so it is hidden from users' help.
func (e *env) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "man [DIRECTORY]",
		Short:  "Write man pages, one per verb, or the main page to stdout",
		Hidden: true,
		Args:   maxArgs(1),
		RunE: e.run(func(c *call) error {
			// The date is left out of the page, so that one source gives one output.
			root := c.cmd.Root()
			root.DisableAutoGenTag = true
			if len(c.args) == 0 {
				var b bytes.Buffer
				if err := doc.GenMan(root, &doc.GenManHeader{Section: "1", Source: "controlcenter"}, &b); err != nil {
					return err
				}
				_, err := e.o.Stdout.Write(b.Bytes())
				return err
			}
			return e.manTree(root, c.args[0])
		}),
	}
}

func (e *env) manTree(cmd *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("create %s: %w", dir, err)
	}
	if err := doc.GenManTreeFromOpts(cmd, doc.GenManTreeOptions{
		Header: &doc.GenManHeader{Section: "1", Source: "controlcenter"}, Path: dir, CommandSeparator: "-",
	}); err != nil {
		return fmt.Errorf("write man pages to %s: %w", filepath.Clean(dir), err)
	}
	return nil
}
