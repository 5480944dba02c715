package cli

import (
	"github.com/spf13/cobra"

	"controlcenter/internal/api"
)

func (e *env) openapiCmd() *cobra.Command {
	var asYAML bool
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document of the server's API",
		Example: `  controlcenter openapi > openapi.json
  controlcenter openapi --yaml > openapi.yaml`,
		Args: maxArgs(0),
		RunE: e.run(func(*call) error {
			asJSON, yml, err := api.OpenAPI()
			if err != nil {
				return err
			}
			out := asJSON
			if asYAML || e.format == formatYAML {
				out = yml
			}
			_, err = e.o.Stdout.Write(out)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asYAML, "yaml", false, "as YAML")
	return cmd
}
