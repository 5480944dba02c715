package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/spf13/cobra"
)

// maxMCP bounds one message of an agent, as the server does.
const maxMCP = 1 << 20

func (e *env) mcpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Speak the Model Context Protocol on standard input and output",
		Long: `Speak the Model Context Protocol on standard input and output: for AI agents that
start their servers themselves. Messages are carried to the running daemon, so
several agents share one, and a restart of it is not noticed. Agents that speak
HTTP use the daemon's /mcp themselves.`,
		Example: `  controlcenter mcp                                  # as the command of a server in an agent's settings
  claude mcp add controlcenter -- controlcenter mcp`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			b := &bridge{client: c.client, out: e.o.Stdout}
			return b.run(c.ctx, e.o.Stdin)
		}, needDaemon),
	}
}

// bridge carries JSON-RPC messages, one a line, to the daemon and its answers back.
type bridge struct {
	client *client

	mu      sync.Mutex
	out     io.Writer
	version string // of the protocol, once it was agreed on
}

// run ends with the input. Requests are answered as they are done: a slow one holds up no other.
func (b *bridge) run(ctx context.Context, in io.Reader) error {
	b.client.patient()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxMCP)
	var wg sync.WaitGroup
	defer wg.Wait()
	for lines.Scan() {
		line := bytes.Clone(bytes.TrimSpace(lines.Bytes()))
		if len(line) == 0 {
			continue
		}
		var m struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(line, &m) == nil && m.Method == "initialize" {
			b.carry(ctx, line, m.ID) // what follows needs the version it settles
			continue
		}
		wg.Go(func() { b.carry(ctx, line, m.ID) })
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	return nil
}

// carry sends one message and writes its answer; a failure is an answer too, if the message wants one.
func (b *bridge) carry(ctx context.Context, line []byte, id json.RawMessage) {
	answer, err := b.post(ctx, line)
	if err != nil {
		if len(id) == 0 {
			return
		}
		text, _ := json.Marshal(err.Error()) // a string is never refused
		answer = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":%s}}`, id, text)
	}
	if len(answer) == 0 {
		return
	}
	var one bytes.Buffer // on one line, whatever the server sent
	if json.Compact(&one, answer) != nil {
		return
	}
	one.WriteByte('\n')
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = b.out.Write(one.Bytes()) // who does not read has gone
}

func (b *bridge) post(ctx context.Context, line []byte) ([]byte, error) {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	b.mu.Lock()
	if b.version != "" {
		h.Set("Mcp-Protocol-Version", b.version)
	}
	b.mu.Unlock()
	resp, err := b.client.do(ctx, http.MethodPost, "/mcp", h, bytes.NewReader(line))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	var settled struct {
		Result struct {
			Version string `json:"protocolVersion"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &settled) == nil && settled.Result.Version != "" {
		b.mu.Lock()
		b.version = settled.Result.Version
		b.mu.Unlock()
	}
	return body, nil
}
