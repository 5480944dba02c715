package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (e *env) secretCmd() *cobra.Command {
	return group("secret", "Set the secrets of services", `  controlcenter secret set comfyui HF_TOKEN     # asks for the value
  controlcenter secret set comfyui HF_TOKEN < token.txt
  controlcenter secret list comfyui
  controlcenter secret rm comfyui HF_TOKEN`, e.secretSetCmd(), e.secretRmCmd(), e.secretListCmd())
}

// maxSecret bounds a secret: keys and certificates have a few KiB.
const maxSecret = 64 << 10

func (e *env) secretSetCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME KEY",
		Short: "Give a secret its value, read from stdin",
		Long: `Give a secret that the definition of a service lists its value, read from stdin: on a
terminal without showing it. One line end at its end is not part of it. It is never
shown again and is in force from the next start of the service.`,
		Example: `  controlcenter secret set comfyui HF_TOKEN
  pass show hf | controlcenter secret set comfyui HF_TOKEN`,
		Args:              exactArgs("NAME", "KEY"),
		ValidArgsFunction: e.completeServices(nil),
		RunE: e.run(func(c *call) error {
			value, err := e.readSecret(c.args[1])
			if err != nil {
				return err
			}
			if value == "" {
				return usagef("the value is empty; \"secret rm\" removes a secret")
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPut, servicePath(c.args[0], "secrets", url.PathEscape(c.args[1])), map[string]string{"value": value}, nil)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "%s: %s is set; in force from its next start\n", clean(c.args[0]), clean(c.args[1]))
				return err
			})
		}, needDaemon),
	}
}

// readSecret reads a value from stdin, all of it, or one line that is not shown when stdin is a terminal.
func (e *env) readSecret(key string) (string, error) {
	if f, ok := e.o.Stdin.(*os.File); ok {
		if restore, err := hideInput(f); err == nil {
			defer restore()
			fmt.Fprintf(e.o.Stderr, "value of %s: ", clean(key))
			defer fmt.Fprintln(e.o.Stderr)
			return readLine(f)
		}
	}
	b, err := readLimited(e.o.Stdin, maxSecret)
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// readLine reads up to the end of a line, byte by byte: what comes behind it is not ours.
func readLine(r io.Reader) (string, error) {
	var b []byte
	one := make([]byte, 1)
	for len(b) < maxSecret {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the value: %w", err)
		}
		b = append(b, one[:n]...)
	}
	return strings.TrimSuffix(string(b), "\r"), nil
}

func (e *env) secretRmCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME KEY",
		Short:             "Forget the value of a secret",
		Example:           `  controlcenter secret rm comfyui HF_TOKEN`,
		Args:              exactArgs("NAME", "KEY"),
		ValidArgsFunction: e.completeServices(nil),
		RunE: e.run(func(c *call) error {
			raw, err := c.client.exchange(c.ctx, http.MethodDelete, servicePath(c.args[0], "secrets", url.PathEscape(c.args[1])), nil, nil)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "%s: %s is forgotten\n", clean(c.args[0]), clean(c.args[1]))
				return err
			})
		}, needDaemon),
	}
}

func (e *env) secretListCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "list NAME",
		Short:             "Show which secrets of a service have a value; never the values",
		Example:           `  controlcenter secret list comfyui`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: e.completeServices(nil),
		RunE: e.run(func(c *call) error {
			var body struct {
				Secrets map[string]bool `json:"secrets"`
			}
			raw, err := c.client.decode(c.ctx, servicePath(c.args[0], "secrets"), &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("SECRET", "VALUE")
				for _, name := range sortedKeys(body.Secrets) {
					value := "not set"
					if body.Secrets[name] {
						value = "set"
					}
					t.add(name, value)
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}
