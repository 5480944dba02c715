package kb

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"controlcenter/internal/store"
)

// Agent is one of the hierarchy that folders and Markdown files of the old layout make.
type Agent struct {
	ID          string `json:"id"`    // "01_director" of level L1, "L2.1.1", "L3.1.1.1": the name of the folder or file
	Level       string `json:"level"` // L1, L2, L3
	Name        string `json:"name"`
	Role        string `json:"role"`
	Category    string `json:"category"` // the L1 agent it belongs to
	Description string `json:"description"`
	Parent      string `json:"parent,omitempty"` // id, "" for L1
	Folder      string `json:"folder"`           // relative to the root; "" = only a Markdown file is known
	File        string `json:"file,omitempty"`   // the Markdown file that describes it
	Root        string `json:"root"`
	Knowledge   int    `json:"knowledge_files"` // files in its folder and below, when listed
	SubAgents   int    `json:"sub_agents"`      // direct ones
}

// folders of the layout that hold agents of the next level.
const (
	subFolder   = "sub-agents"
	microFolder = "micro-agents"
)

// agentAt reads a folder's path: ai-agents/<L1>[/sub-agents/<L2>[/micro-agents/<L3>]], or knowledge-base/L1-<agent>. It returns
// the chain of agents on the way, the deepest last, and how many parts of the path it used.
func agentAt(dir string) (chain []Agent, used int) {
	parts := strings.Split(dir, "/")
	if len(parts) < 2 {
		return nil, 0
	}
	switch {
	case parts[0] == "knowledge-base" && strings.HasPrefix(parts[1], "L1-"):
		name := strings.TrimPrefix(parts[1], "L1-")
		return []Agent{{ID: name, Level: "L1", Category: name, Folder: strings.Join(parts[:2], "/")}}, 2
	case parts[0] != "ai-agents":
		return nil, 0
	}
	chain = append(chain, Agent{ID: parts[1], Level: "L1", Category: parts[1]})
	used = 2
	for level, folder := range []string{subFolder, microFolder} {
		if len(parts) < used+2 || parts[used] != folder {
			break
		}
		chain = append(chain, Agent{ID: parts[used+1], Level: fmt.Sprintf("L%d", level+2), Category: parts[1], Parent: parts[used-1]})
		used += 2
	}
	for i := range chain {
		chain[i].Folder = strings.Join(parts[:2+2*i], "/")
	}
	return chain, used
}

// agentsOf makes the hierarchy of one root of the folders that were listed and the files that are known.
func agentsOf(root string, dirs []string, files []string) []Agent {
	byKey := map[string]*Agent{}
	add := func(a Agent) *Agent {
		key := a.Parent + "\x00" + a.ID + "\x00" + a.Level
		have := byKey[key]
		if have == nil {
			a.Root = root
			if a.Name == "" {
				a.Name = titled(a.ID)
			}
			have = &a
			byKey[key] = have
		}
		if have.Folder == "" {
			have.Folder = a.Folder
		}
		if have.File == "" {
			have.File = a.File
		}
		return have
	}
	for _, dir := range dirs {
		chain, _ := agentAt(dir)
		for _, a := range chain {
			add(a)
		}
	}
	for _, name := range files {
		if a, ok := agentFile(name); ok {
			add(a)
		}
	}
	out := make([]Agent, 0, len(byKey))
	for _, a := range byKey {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Agent) int {
		if a.Level != b.Level {
			return strings.Compare(a.Level, b.Level)
		}
		return strings.Compare(a.Category+"/"+a.Parent+"/"+a.ID, b.Category+"/"+b.Parent+"/"+b.ID)
	})
	return out
}

// agentFile knows the Markdown files that describe an agent: <agents folder>/<id>.md, and README.md or AGENT.md in its own folder.
func agentFile(name string) (Agent, bool) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if ext := strings.ToLower(path.Ext(base)); ext != ".md" && ext != ".markdown" {
		return Agent{}, false
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	if dir == "ai-agents" {
		if strings.EqualFold(stem, "readme") {
			return Agent{}, false
		}
		return Agent{ID: stem, Level: "L1", Category: stem, File: name}, true
	}
	chain, used := agentAt(dir)
	if len(chain) == 0 {
		return Agent{}, false
	}
	last := chain[len(chain)-1]
	rest := strings.Split(dir, "/")[used:]
	switch {
	case len(rest) == 0 && (strings.EqualFold(stem, "readme") || strings.EqualFold(stem, "agent")):
		last.File = name
		return last, true
	case len(rest) == 1 && rest[0] == subFolder && last.Level == "L1":
		return Agent{ID: stem, Level: "L2", Category: last.Category, Parent: last.ID, File: name}, true
	case len(rest) == 1 && rest[0] == microFolder && last.Level == "L2":
		return Agent{ID: stem, Level: "L3", Category: last.Category, Parent: last.ID, File: name}, true
	}
	return Agent{}, false
}

// mayDescribe is the cheap part of agentFile: most files are no such thing.
func mayDescribe(r *row) bool {
	switch r.dir[strings.LastIndexByte(r.dir, '/')+1:] {
	case "ai-agents", subFolder, microFolder:
		return true
	}
	stem, _, _ := strings.Cut(r.name, ".")
	return strings.EqualFold(stem, "readme") || strings.EqualFold(stem, "agent")
}

// titled makes a name of an id: "01_art-director" is "Art Director".
func titled(id string) string {
	s := strings.TrimLeft(id, "0123456789_")
	if s == "" || strings.HasPrefix(id, "L2.") || strings.HasPrefix(id, "L3.") {
		return id
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' })
	for i, w := range words {
		first, n := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(first)) + w[n:]
	}
	return strings.Join(words, " ")
}

// setAgents makes the agents of a root those that a complete scan saw, with what their Markdown files say.
func (b *Base) setAgents(s *scan) {
	var files []string
	b.cat.all(s.root.ID, func(r *row) {
		if strings.HasPrefix(r.dir, "ai-agents") && mayDescribe(r) {
			files = append(files, r.path())
		}
	})
	slices.Sort(files)
	agents := agentsOf(s.root.ID, s.w.dirs, files)
	for i := range agents {
		if agents[i].File != "" {
			b.describe(s, &agents[i])
		}
	}
	b.mu.Lock()
	before := b.agents
	var all []Agent
	for _, a := range before {
		if a.Root != s.root.ID {
			all = append(all, a)
		}
	}
	all = append(all, agents...)
	b.agents = all
	b.mu.Unlock()
	if slices.Equal(before, all) {
		return
	}
	key := func(a *Agent) string { return clip(a.Root+"/"+a.Category+"/"+a.Parent+"/"+a.ID+"/"+a.Level, 900) }
	err := b.o.Store.Update(context.Background(), func(tx *store.Tx) error {
		for i := range before {
			if err := agentTable.Delete(tx, key(&before[i])); err != nil {
				return err
			}
		}
		for i := range all {
			if err := agentTable.Put(tx, key(&all[i]), all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.j.note("the agents were not stored: %v", err)
	}
}

// describe takes name, role and description of an agent out of its Markdown file.
func (b *Base) describe(s *scan, a *Agent) {
	data, _, err := readRegular(s.dir, a.File, 1<<20, nil)
	if err != nil {
		return
	}
	p, err := Parse(Input{Root: s.root.ID, Path: a.File, Data: data})
	if err != nil {
		return
	}
	if p.Title != strings.TrimSuffix(path.Base(a.File), path.Ext(a.File)) {
		a.Name = p.Title
	}
	a.Role = p.Meta["role"]
	for line := range strings.Lines(p.Text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "Role:"); ok {
			a.Role = oneLine(rest, maxTitle)
		} else if line != "" && line != p.Title && a.Description == "" && !strings.Contains(clip(line, 30), ": ") {
			a.Description = oneLine(line, maxTitle)
		}
	}
}

// Agents returns the hierarchy with counts, by level and then by folder. Folders of agents that hold no file are in it.
func (b *Base) Agents(ctx context.Context) ([]Agent, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	agents := slices.Clone(b.agents)
	b.mu.Unlock()
	byFolder := map[string]int{}
	b.cat.all("", func(r *row) { byFolder[r.root+"\x00"+r.dir]++ })
	for i := range agents {
		a := &agents[i]
		for _, folder := range a.folders() {
			prefix := a.Root + "\x00" + folder
			for at, n := range byFolder {
				if at == prefix || strings.HasPrefix(at, prefix+"/") {
					a.Knowledge += n
				}
			}
		}
		for k := range agents {
			if o := &agents[k]; o.Root == a.Root && o.Parent == a.ID && o.Category == a.Category && o.Level > a.Level {
				a.SubAgents++
			}
		}
	}
	return agents, nil
}

// folders are those an agent's knowledge lies in: an L1 agent has two, of which one may not exist.
func (a *Agent) folders() []string {
	if a.Level != "L1" {
		if a.Folder == "" {
			return nil
		}
		return []string{a.Folder}
	}
	return []string{"ai-agents/" + a.ID, "knowledge-base/L1-" + a.ID}
}

// AgentFiles returns the files of one agent, newest first, those of its sub-agents included. Errors: [ErrNotFound].
func (b *Base) AgentFiles(ctx context.Context, id string) (Agent, []File, error) {
	agents, err := b.Agents(ctx)
	if err != nil {
		return Agent{}, nil, err
	}
	i := slices.IndexFunc(agents, func(a Agent) bool { return strings.EqualFold(a.ID, id) })
	if i < 0 {
		return Agent{}, nil, fmt.Errorf("agent %q: %w", id, ErrNotFound)
	}
	a := agents[i]
	var rows []*row
	for _, r := range b.cat.ordered("date_desc") {
		if r.root == a.Root && slices.ContainsFunc(a.folders(), func(f string) bool { return r.dir == f || strings.HasPrefix(r.dir, f+"/") }) {
			rows = append(rows, r)
		}
	}
	files, err := b.filesOf(ctx, rows)
	return a, files, err
}
