package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Version says what this binary is; empty fields are unknown.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	BuildDate string `json:"build_date"`
}

func (v Version) String() string {
	if v.Version == "" {
		return "unknown"
	}
	return v.Version
}

// userAgent is how the client verbs name themselves to the daemon.
func (e *env) userAgent() string { return "controlcenter-cli/" + e.o.Version.String() }

func (e *env) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this binary",
		Example: "  controlcenter version\n  controlcenter version -o json",
		Args:    maxArgs(0),
		RunE: e.run(func(*call) error {
			v := e.o.Version
			out := struct {
				Name string `json:"name"`
				Version
				Go       string `json:"go_version"`
				Platform string `json:"platform"`
			}{"controlcenter", v, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			out.Version.Version = v.String()
			return e.print(out, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "controlcenter %s", v)
				for _, s := range []struct{ name, value string }{{"revision", v.Revision}, {"built", v.BuildDate}, {"go", out.Go}, {"platform", out.Platform}} {
					if s.value != "" && err == nil {
						_, err = fmt.Fprintf(e.o.Stdout, "\n  %-10s%s", s.name, s.value)
					}
				}
				fmt.Fprintln(e.o.Stdout)
				return err
			})
		}),
	}
}
