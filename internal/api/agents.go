package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"controlcenter/kb"
)

const agentsPrefix = "/api/agents"

func (s *Server) agentRows() []*row {
	g := group("Agents")
	return []*row{
		typed(s, "GET", agentsPrefix, viewer, "Agents, as the folders of the knowledge base make them", s.agentList, g),
		typed(s, "GET", agentsPrefix+"/stats", viewer, "How many agents there are", s.agentStats, g),
		typed(s, "GET", agentsPrefix+"/{agent_id}", viewer, "An agent", s.agent, g),
		typed(s, "GET", agentsPrefix+"/{agent_id}/knowledge", viewer, "The files of an agent and those below it, newest first", s.agentKnowledge, g),
		typed(s, "GET", agentsPrefix+"/{agent_id}/hierarchy", viewer, "Who is above and below an agent", s.agentHierarchy, g),
	}
}

// AgentRow is an agent.
type AgentRow struct {
	ID          string  `json:"id"`
	Level       string  `json:"level" enum:"L1,L2,L3"`
	Name        string  `json:"name"`
	Role        string  `json:"role"`
	Category    string  `json:"category" doc:"The L1 agent it belongs to"`
	Description string  `json:"description"`
	Parent      *string `json:"parent" doc:"Id; null for L1"`
	Folder      string  `json:"folder" doc:"From the root; empty when only a file tells of it"`
	File        string  `json:"file" doc:"The file that tells of it, from the root"`
	Root        string  `json:"root"`
	Knowledge   int     `json:"knowledge_files" doc:"In its folder and below"`
	SubAgents   int     `json:"sub_agents" doc:"Direct ones"`
}

func agentRow(a *kb.Agent) AgentRow {
	return AgentRow{
		ID: a.ID, Level: a.Level, Name: a.Name, Role: a.Role, Category: a.Category, Description: a.Description, Parent: given(a.Parent), Folder: a.Folder,
		File: a.File, Root: a.Root, Knowledge: a.Knowledge, SubAgents: a.SubAgents,
	}
}

// AgentsInput chooses agents.
type AgentsInput struct {
	KnowledgePage
	Level  string `query:"level" doc:"L1, L2, L3 or all, any letter case"`
	Parent string `query:"parent" doc:"Id of the agent above, any letter case"`
	Search string `query:"search" doc:"Part of the id, name, role or description, any letter case"`
}

// AgentsBody is a page of agents.
type AgentsBody struct {
	KnowledgeList
	Agents []AgentRow `json:"agents"`
}

func (s *Server) agentList(ctx context.Context, in *AgentsInput) (*answerOf[AgentsBody], error) {
	all, err := s.agents(ctx)
	if err != nil {
		return nil, err
	}
	level, search := strings.ToUpper(in.Level), strings.ToLower(in.Search)
	if level == "ALL" {
		level = ""
	}
	if level != "" && !slices.Contains([]string{"L1", "L2", "L3"}, level) {
		return nil, invalidQuery("level", "enum", "must be one of L1, L2, L3, all")
	}
	found := slices.DeleteFunc(all, func(a kb.Agent) bool {
		return level != "" && a.Level != level || in.Parent != "" && !strings.EqualFold(a.Parent, in.Parent) ||
			search != "" && !slices.ContainsFunc([]string{a.ID, a.Name, a.Role, a.Description}, func(s string) bool { return strings.Contains(strings.ToLower(s), search) })
	})
	limit, offset := in.resolve(50)
	out := AgentsBody{knowledgeList(len(found), limit, offset), []AgentRow{}}
	for i := range found[min(offset, len(found)):min(offset+limit, len(found))] {
		out.Agents = append(out.Agents, agentRow(&found[offset+i]))
	}
	return ok(out), nil
}

func (s *Server) agents(ctx context.Context) ([]kb.Agent, error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	all, err := k.Base.Agents(ctx)
	if err != nil {
		return nil, kbProblem(err)
	}
	return slices.Clone(all), nil
}

// AgentStats is the answer of GET /api/agents/stats.
type AgentStats struct {
	Success      bool           `json:"success"`
	Total        int            `json:"total"`
	ByLevel      map[string]int `json:"by_level"`
	L1           int            `json:"l1_count"`
	L2           int            `json:"l2_count"`
	L3           int            `json:"l3_count"`
	Expected     map[string]int `json:"expected" doc:"Same as actual: nothing says how many there should be"`
	Actual       map[string]int `json:"actual" doc:"Same as by_level"`
	Distribution map[string]int `json:"distribution" doc:"Agents by the L1 agent they belong to, itself included"`
	LastUpdated  *string        `json:"last_updated" format:"date-time" doc:"Last complete scan; null when there was none"`
	Timestamp    string         `json:"timestamp" format:"date-time"`
}

func (s *Server) agentStats(ctx context.Context, _ *struct{}) (*answerOf[AgentStats], error) {
	all, err := s.agents(ctx)
	if err != nil {
		return nil, err
	}
	last, err := s.o.Knowledge.lastScan(ctx)
	if err != nil {
		return nil, err
	}
	by, distribution := map[string]int{"L1": 0, "L2": 0, "L3": 0}, map[string]int{}
	for i := range all {
		by[all[i].Level]++
		distribution[all[i].Category]++
	}
	return ok(AgentStats{
		Success: true, Total: len(all), ByLevel: by, L1: by["L1"], L2: by["L2"], L3: by["L3"], Expected: by, Actual: by, Distribution: distribution,
		LastUpdated: last, Timestamp: stamp(time.Now()),
	}), nil
}

// AgentInput names an agent.
type AgentInput struct {
	ID string `path:"agent_id" maxLength:"400"`
}

// AgentBody is an agent.
type AgentBody struct {
	Success bool `json:"success"`
	AgentRow
	Agent AgentRow `json:"agent" doc:"The same"`
}

func (s *Server) agent(ctx context.Context, in *AgentInput) (*answerOf[AgentBody], error) {
	all, err := s.agents(ctx)
	if err != nil {
		return nil, err
	}
	i := agentNamed(all, in.ID)
	if i < 0 {
		return nil, notFound("Agent", in.ID)
	}
	row := agentRow(&all[i])
	return ok(AgentBody{Success: true, AgentRow: row, Agent: row}), nil
}

// agentNamed finds an agent by its id, in any letter case; -1 = there is none.
func agentNamed(all []kb.Agent, id string) int {
	if i := slices.IndexFunc(all, func(a kb.Agent) bool { return a.ID == id }); i >= 0 {
		return i
	}
	return slices.IndexFunc(all, func(a kb.Agent) bool { return strings.EqualFold(a.ID, id) })
}

// AgentKnowledgeInput names an agent and a page of its files.
type AgentKnowledgeInput struct {
	AgentInput
	KnowledgePage
}

// AgentKnowledgeBody is a page of an agent's files.
type AgentKnowledgeBody struct {
	KnowledgeList
	AgentID    string          `json:"agent_id"`
	TotalFiles int             `json:"total_files"`
	Files      []KnowledgeFile `json:"files"`
}

func (s *Server) agentKnowledge(ctx context.Context, in *AgentKnowledgeInput) (*answerOf[AgentKnowledgeBody], error) {
	all, err := s.agents(ctx)
	if err != nil {
		return nil, err
	}
	i := agentNamed(all, in.ID)
	if i < 0 {
		return nil, notFound("Agent", in.ID)
	}
	a, files, err := s.o.Knowledge.Base.AgentFiles(ctx, all[i].ID)
	if errors.Is(err, kb.ErrNotFound) {
		return nil, notFound("Agent", in.ID)
	}
	if err != nil {
		return nil, kbProblem(err)
	}
	limit, offset := in.resolve(100)
	page := files[min(offset, len(files)):min(offset+limit, len(files))]
	return ok(AgentKnowledgeBody{KnowledgeList: knowledgeList(len(files), limit, offset), AgentID: a.ID, TotalFiles: len(files), Files: knowledgeFiles(page)}), nil
}

// AgentHierarchy is who is above and below an agent.
type AgentHierarchy struct {
	Success  bool        `json:"success"`
	Agent    AgentRow    `json:"agent"`
	Parent   *AgentRow   `json:"parent" doc:"null for L1"`
	Children []AgentNode `json:"children"`
}

// AgentNode is an agent with those below it.
type AgentNode struct {
	AgentRow
	Children []AgentRow `json:"children"`
}

func (s *Server) agentHierarchy(ctx context.Context, in *AgentInput) (*answerOf[AgentHierarchy], error) {
	all, err := s.agents(ctx)
	if err != nil {
		return nil, err
	}
	i := agentNamed(all, in.ID)
	if i < 0 {
		return nil, notFound("Agent", in.ID)
	}
	self := &all[i]
	below := func(of *kb.Agent) (out []AgentRow) {
		for j := range all {
			if a := &all[j]; a.Parent == of.ID && a.Root == of.Root && a.Category == of.Category {
				out = append(out, agentRow(a))
			}
		}
		return list(out)
	}
	out := AgentHierarchy{Success: true, Agent: agentRow(self), Children: []AgentNode{}}
	for j := range all {
		switch a := &all[j]; {
		case a.Root != self.Root || a.Category != self.Category:
		case self.Parent != "" && a.ID == self.Parent && out.Parent == nil:
			out.Parent = new(agentRow(a))
		case a.Parent == self.ID:
			out.Children = append(out.Children, AgentNode{agentRow(a), below(a)})
		}
	}
	return ok(out), nil
}
