package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "controlcenter"

// may says which packages of ours each package may import. A new package is a new row.
var may = map[string][]string{
	".":                  {"control/keeper", "internal/app", "internal/cli", "internal/config"},
	"exporter":           {"internal/mask"},
	"control":            {"control/probe", "internal/event", "internal/lazy", "internal/mask", "internal/store", "internal/unit"},
	"control/probe":      {"internal/unit"},
	"control/logs":       {"internal/lazy", "internal/private"},
	"control/keeper":     {"control", "control/logs", "internal/private", "internal/unit"},
	"internal/api":       {"control", "control/logs", "exporter", "internal/audit", "internal/auth", "internal/event", "internal/lazy", "internal/mask", "internal/notify", "internal/store", "internal/unit", "kb", "usage", "web"},
	"internal/app":       {"control", "control/keeper", "control/logs", "exporter", "internal/api", "internal/audit", "internal/auth", "internal/config", "internal/event", "internal/mcp", "internal/notify", "internal/store", "internal/unit", "kb", "usage"},
	"internal/mcp":       {"control", "control/logs", "exporter", "kb"},
	"internal/archtest":  {},
	"internal/cli":       {"exporter", "internal/api", "internal/config", "internal/lazy", "internal/private", "internal/store", "internal/unit"},
	"internal/config":    {"control", "internal/lazy", "internal/mask", "internal/unit"},
	"internal/event":     {"internal/store"},
	"internal/private":   {},
	"internal/store":     {"internal/private"},
	"internal/unit":      {},
	"kb":                 {"internal/event", "internal/lazy", "internal/store"},
	"usage":              {"internal/event", "internal/lazy", "internal/store"},
	"e2e":                {},
	"bench/control":      {"bench/internal/rig"},
	"bench/exporter":     {"bench/internal/rig"},
	"bench/internal/rig": {},
	"bench/ws":           {"bench/internal/rig"},
	"bench/kb":           {"bench/internal/rig", "kb"},
	"internal/audit":     {"internal/store"},
	"internal/auth":      {"internal/lazy", "internal/store"},
	"internal/lazy":      {},
	"internal/mask":      {},
	"internal/notify":    {"control", "exporter", "internal/event", "internal/lazy", "internal/store", "internal/unit"},
	"deploy":             {},
	"deploy/grafana/gen": {},
	"web":                {},
}

// owner says which packages of ours may import an outside one of weight, or one that must stay in one place.
var owner = map[string][]string{
	"go.etcd.io/bbolt":                       {"internal/store"},
	"github.com/gorilla/mux":                 {"internal/api"},
	"github.com/golang-jwt/jwt/v5":           {"internal/auth"},
	"github.com/gorilla/websocket":           {"internal/api", "internal/cli", "bench/ws", "bench/internal/rig"},
	"github.com/danielgtaylor/huma/v2":       {"internal/api"},
	"github.com/shirou/gopsutil/v3":          {"exporter", "internal/cli"},
	"github.com/goccy/go-yaml":               {"internal/config", "internal/cli", "kb"},
	"github.com/spf13/cobra":                 {"internal/cli"},
	"github.com/prometheus/exporter-toolkit": {"internal/app"},
	"github.com/robfig/cron/v3":              {"control"},
	"github.com/invopop/jsonschema":          {"internal/config"},
	"github.com/nicholas-fedor/shoutrrr":     {"internal/notify"},
	"github.com/kardianos/service":           {"internal/cli"},
}

type source struct {
	dir, name string
	file      *ast.File
	test      bool
}

// sources parses every Go file: asking the go command instead would be answered from the test cache after a violation.
func sources(t *testing.T) []source {
	t.Helper()
	root := os.DirFS("../..")
	var all []source
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if base := d.Name(); base == "testdata" || base == "node_modules" || base == "tools" || len(base) > 1 && base[0] == '.' {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path.Dir(name), name, f, strings.HasSuffix(name, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found: the walk is broken", len(all))
	}
	return all
}

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, s := range sources(t) {
		allowed, known := may[s.dir]
		if !known {
			t.Errorf("%s: package %s is not in the table", s.name, s.dir)
			continue
		}
		for _, spec := range s.file.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok && !s.test && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; %s may import only %v", s.name, ours, s.dir, allowed)
			}
			for prefix, owners := range owner {
				if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) && !s.test && !slices.Contains(owners, s.dir) {
					t.Errorf("%s imports %s, which only %v may", s.name, imp, owners)
				}
			}
		}
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if comments[s.dir] == nil {
			comments[s.dir] = []string{}
		}
		if s.file.Doc != nil {
			comments[s.dir] = append(comments[s.dir], s.name)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s: %d package comments %v, want 1", dir, len(files), files)
		}
	}
}

func TestTableHasNoDeadRows(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.dir] = true
	}
	for dir := range may {
		if !seen[dir] {
			t.Errorf("the table has a row for %s, which does not exist", dir)
		}
	}
}

func TestGoModReplacesNothing(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if strings.HasPrefix(strings.TrimSpace(line), "replace") {
			t.Errorf("go.mod: %s: a build must not depend on a replacement", strings.TrimSpace(line))
		}
	}
}
