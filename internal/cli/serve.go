package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func (e *env) serveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server in the foreground",
		Long: `Run the server in the foreground until it is interrupted.

Values come from these flags, the environment (CC_...), the configuration file
and defaults, in this order. SIGHUP reads the configuration again.

Services go on when the server ends, and the next one takes them up again;
"controlcenter down" stops them.`,
		Example: `  controlcenter serve
  controlcenter serve --config.file /etc/controlcenter.yaml
  controlcenter serve --web.listen-address 127.0.0.1:8080 --web.listen-address 127.0.0.1:54112
  controlcenter serve --log.level debug --storage.path /var/lib/controlcenter`,
		Args: maxArgs(0),
	}
	flags := configFlags(cmd.Flags())
	cmd.RunE = e.run(func(c *call) error {
		if e.o.Serve == nil {
			return errors.New("this build cannot serve")
		}
		return underManager(c.ctx, func(ctx context.Context) error { return e.o.Serve(ctx, e.loadOptions(flags())) })
	})
	return cmd
}
