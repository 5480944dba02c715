package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// graphFormat is -o of graph: the usual ones, and dot.
type graphFormat struct {
	e   *env
	dot bool
}

// String, Type and Set make graphFormat a pflag.Value.
func (f *graphFormat) String() string { return string(f.e.format) }

// Type is shown in the help.
func (f *graphFormat) Type() string { return "format" }

// Set takes table, json, yaml and dot.
func (f *graphFormat) Set(s string) error {
	if f.dot = strings.EqualFold(s, "dot"); f.dot {
		return nil
	}
	if f.e.format.Set(s) != nil {
		return fmt.Errorf("accepted values are table, json, yaml and dot")
	}
	return nil
}

func (e *env) graphCmd() *cobra.Command {
	f := &graphFormat{e: e}
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Show which services need which",
		Long: `Show which services need which, as a tree: below each service those it needs, with
the condition that it waits for. "dot" is the language of Graphviz.`,
		Example: `  controlcenter graph
  controlcenter graph -o dot | dot -Tsvg > services.svg`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var g serviceGraph
			raw, err := c.client.decode(c.ctx, servicesPath+"/graph", &g)
			if err != nil {
				return err
			}
			if f.dot {
				_, err := fmt.Fprint(e.o.Stdout, g.dot())
				return err
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprint(e.o.Stdout, g.tree(e.styled()))
				return err
			})
		}, needDaemon),
	}
	cmd.Flags().VarP(f, "output", "o", "output form: table (a tree), json, yaml or dot")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "dot"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// tree writes the services that nobody needs, and below each what it needs. One that several need is shown in full once.
func (g *serviceGraph) tree(st style) string {
	if len(g.Nodes) == 0 {
		return "no services\n"
	}
	var b strings.Builder
	needs, needed := map[string][]graphEdge{}, map[string]bool{}
	for _, edge := range g.Edges {
		needs[edge.From] = append(needs[edge.From], edge)
		needed[edge.To] = true
	}
	node := map[string]graphNode{}
	for _, n := range g.Nodes {
		node[n.ID] = n
	}
	shown := map[string]bool{}
	var visit func(name, lead, branch, note string)
	visit = func(name, lead, branch, note string) {
		more := ""
		if shown[name] && len(needs[name]) > 0 {
			more = " (see above)"
		}
		fmt.Fprintf(&b, "%s%s%s%s  %s%s\n", lead, branch, clean(name), note, st.verdict(clean(node[name].State)), more)
		if shown[name] {
			return
		}
		shown[name] = true
		switch branch {
		case "├─ ":
			lead += "│  "
		case "└─ ":
			lead += "   "
		}
		for i, edge := range needs[name] {
			branch := "├─ "
			if i == len(needs[name])-1 {
				branch = "└─ "
			}
			met := "met"
			if !edge.Met {
				met = "not met"
			}
			visit(edge.To, lead, branch, fmt.Sprintf(" [%s, %s]", clean(edge.Condition), met))
		}
	}
	for _, n := range g.Nodes {
		if !needed[n.ID] {
			visit(n.ID, "", "", "")
		}
	}
	return b.String()
}

// dot writes the graph in the language of Graphviz.
func (g *serviceGraph) dot() string {
	var b strings.Builder
	b.WriteString("digraph services {\n  rankdir=LR;\n  node [shape=box];\n")
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "  %q [label=%q];\n", clean(n.ID), clean(n.ID)+"\n"+clean(n.State))
	}
	for _, edge := range g.Edges {
		style := "solid"
		if !edge.Met {
			style = "dashed"
		}
		fmt.Fprintf(&b, "  %q -> %q [label=%q, style=%s];\n", clean(edge.From), clean(edge.To), clean(edge.Condition), style)
	}
	b.WriteString("}\n")
	return b.String()
}
