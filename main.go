// Command controlcenter exports this machine's metrics, controls its services and keeps its knowledge base.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/common/version"

	"controlcenter/control/keeper"
	"controlcenter/internal/app"
	"controlcenter/internal/cli"
	"controlcenter/internal/config"
)

func main() {
	build := version.Version + " " + version.GetRevision() + " " + version.BuildDate
	if len(os.Args) > 1 && os.Args[1] == "keep" { // before anything else: this process is to stay small
		os.Exit(keeper.Main(os.Args[2:], build, os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Execute(ctx, cli.Options{
		Version: cli.Version{Version: version.Version, Revision: version.GetRevision(), BuildDate: version.BuildDate},
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Serve: func(ctx context.Context, load config.Options) error {
			return app.Run(ctx, app.Options{Load: load, Stdout: os.Stdout, Stderr: os.Stderr})
		},
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
