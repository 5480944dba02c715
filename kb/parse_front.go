package kb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"
)

// maxDepth bounds how deep lists and maps may lie within each other.
const maxDepth = 20

// frontMatter reads the block between "---" lines at the beginning of text and returns what follows it. A block that is too
// large, refused or broken is left out with a warning; text that only begins with a rule is returned whole.
func (d *draft) frontMatter(text string) (body string) {
	block, body, ok := cutFrontMatter(text)
	if !ok {
		return text
	}
	if len(block) > maxFrontMatter {
		d.warn(FrontMatterTooLarge, "%d bytes, at most %d are read", len(block), maxFrontMatter)
		return body
	}
	v, reason, err := parseYAML(block)
	switch {
	case err != nil:
		d.warn(reason, "%v", err)
		return body
	case v.kind == absent:
		return body
	case v.kind != object: // a sentence between two rules
		return text
	}
	if id := v.get("id").string(); id != "" {
		if d.docID = frontMatterID(id); d.docID == "" {
			d.warn(OddValue, "id %q: ids have letters, digits and . _ : - and do not begin with p-", clip(id, 100))
		}
	}
	d.apply(v, true)
	known := knownFields()
	for _, m := range v.fields {
		if !slices.Contains(known, m.key) {
			d.addMeta(m.key, m.value.flat())
		}
	}
	if ins := v.get("insights"); ins.kind != absent {
		d.insights(d.addEntry(Entry{}), ins)
	}
	return body
}

// cutFrontMatter splits text at the line "---" or "..." that ends a front matter begun by a first line "---".
func cutFrontMatter(text string) (block, body string, ok bool) {
	first, rest, found := strings.Cut(text, "\n")
	if !found || strings.TrimRight(first, " \t") != "---" {
		return "", "", false
	}
	for at := 0; at < len(rest); {
		end := strings.IndexByte(rest[at:], '\n')
		next := at + end + 1
		if end < 0 {
			next = len(rest)
		}
		if line := strings.TrimRight(rest[at:next], " \t\n"); line == "---" || line == "..." {
			return rest[:at], rest[next:], true
		}
		at = next
	}
	return "", "", false
}

// parseYAML reads a small YAML text without anchors, aliases and merge keys, which could make it large. The library is given at
// most maxFrontMatter bytes; should it panic on them, that is an error too.
func parseYAML(text string) (v value, reason Reason, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, reason, err = value{}, BadFrontMatter, fmt.Errorf("not readable as YAML: %v", p)
		}
	}()
	tokens := lexer.Tokenize(text)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case yamltoken.AnchorType, yamltoken.AliasType, yamltoken.MergeKeyType:
			return value{}, AliasesRefused, fmt.Errorf("line %d: anchors and aliases are not read", t.Position.Line)
		case yamltoken.MappingStartType, yamltoken.SequenceStartType:
			if depth++; depth > maxDepth {
				return value{}, BadFrontMatter, fmt.Errorf("line %d: nested deeper than %d", t.Position.Line, maxDepth)
			}
		case yamltoken.MappingEndType, yamltoken.SequenceEndType:
			depth--
		case yamltoken.InvalidType:
			return value{}, BadFrontMatter, fmt.Errorf("line %d: %s", t.Position.Line, oneLine(t.Error, 200))
		}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return value{}, BadFrontMatter, fmt.Errorf("%s", oneLine(err.Error(), 300))
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if v, err = fromYAML(doc.Body, 0); err != nil {
			return value{}, BadFrontMatter, err
		}
		break
	}
	return v, "", nil
}

func fromYAML(n ast.Node, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		v := value{kind: object}
		for _, m := range n.Values {
			f, err := yamlMember(m, depth)
			if err != nil {
				return value{}, err
			}
			v.fields = append(v.fields, f)
		}
		return v, nil
	case *ast.MappingValueNode:
		f, err := yamlMember(n, depth)
		return value{kind: object, fields: []member{f}}, err
	case *ast.SequenceNode:
		v := value{kind: list}
		for _, it := range n.Values {
			x, err := fromYAML(it, depth+1)
			if err != nil {
				return value{}, err
			}
			v.items = append(v.items, x)
		}
		return v, nil
	case *ast.TagNode:
		return fromYAML(n.Value, depth+1)
	case *ast.LiteralNode:
		return value{kind: scalar, text: n.Value.Value}, nil
	case *ast.StringNode:
		return value{kind: scalar, text: n.Value}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return value{kind: scalar, text: n.GetToken().Value}, nil
	case *ast.NullNode, *ast.CommentGroupNode, *ast.CommentNode, nil:
		return value{}, nil
	}
	return value{}, fmt.Errorf("%s is not read here", strings.ToLower(n.Type().String()))
}

func yamlMember(m *ast.MappingValueNode, depth int) (member, error) {
	v, err := fromYAML(m.Value, depth+1)
	return member{fieldKey(m.Key.GetToken().Value), v}, err
}
