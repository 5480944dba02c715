package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"controlcenter/kb"
)

func (s *Server) knowledgeCreatorRows() []*row {
	g := knowledgeGroup()
	return []*row{
		typed(s, "GET", knowledgePrefix+"/creators", viewer, "Creators of the creator databases", s.knowledgeCreators, g),
		typed(s, "GET", knowledgePrefix+"/creators/{creator_id}", viewer, "A creator and their newest files", s.knowledgeCreator, g),
		typed(s, "GET", knowledgePrefix+"/routing", viewer, "Routing rules by root, as they are written", s.knowledgeRouting, g),
	}
}

// KnowledgeCreatorsInput chooses creators.
type KnowledgeCreatorsInput struct {
	Priority string `query:"priority" doc:"Tier, any letter case"`
	Search   string `query:"search" doc:"Part of the name or focus, any letter case"`
}

// KnowledgeCreatorsBody are creators.
type KnowledgeCreatorsBody struct {
	Success  bool                  `json:"success"`
	Total    int                   `json:"total" doc:"Counted; what the databases claim is not used"`
	Creators []KnowledgeCreatorRow `json:"creators"`
	Tiers    map[string][]string   `json:"priority_tiers"`
	Schedule map[string]string     `json:"scan_schedule"`
	Cached   bool                  `json:"cached"`
}

// KnowledgeCreatorRow is a creator: everything that the database holds, and what is known of their files.
type KnowledgeCreatorRow struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	Handle          string   `json:"handle"`
	Subscribers     string   `json:"subscribers"`
	Priority        string   `json:"priority"`
	Focus           string   `json:"focus"`
	PrimaryAgents   []string `json:"primary_agents"`
	SubAgents       []string `json:"sub_agents"`
	Categories      []string `json:"knowledge_categories"`
	UpdateFrequency string   `json:"update_frequency"`
	ScanLastVideos  int      `json:"scan_last_n_videos"`
	ValueRating     float64  `json:"value_rating"`
	Notes           string   `json:"notes"`
	Root            string   `json:"root"`
	RelatedFiles    int      `json:"related_files"`
	ChannelURL      string   `json:"channel_url" doc:"Made of the handle; empty without one"`
	ChannelName     string   `json:"channel_name"`
	VideosScanned   int      `json:"videos_scanned" doc:"Same as related_files"`
	LastScan        *string  `json:"last_scan" format:"date-time"`

	raw json.RawMessage // as it is written
}

// MarshalJSON writes the fields of the database that have no name here, too.
func (c KnowledgeCreatorRow) MarshalJSON() ([]byte, error) {
	type plain KnowledgeCreatorRow
	ours, err := json.Marshal(plain(c))
	if err != nil || len(c.raw) == 0 {
		return ours, err //nolint:wrapcheck // of encoding/json, to encoding/json
	}
	return withRaw(ours, c.raw)
}

// withRaw adds to an object those keys of another that it has not.
func withRaw(ours, raw []byte) ([]byte, error) {
	all := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &all) != nil || len(all) == 0 {
		return ours, nil
	}
	known := map[string]json.RawMessage{}
	if err := json.Unmarshal(ours, &known); err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	maps.Copy(all, known)
	return json.Marshal(all) //nolint:wrapcheck // as above
}

func creatorRow(c *kb.Creator, lastScan *string) KnowledgeCreatorRow {
	out := KnowledgeCreatorRow{
		ID: c.ID, Name: c.Name, Handle: c.Handle, Subscribers: c.Subscribers, Priority: c.Priority, Focus: c.Focus, PrimaryAgents: list(c.PrimaryAgents),
		SubAgents: list(c.SubAgents), Categories: list(c.Categories), UpdateFrequency: c.UpdateFrequency, ScanLastVideos: c.ScanLastVideos,
		ValueRating: c.ValueRating, Notes: c.Notes, Root: c.Root, RelatedFiles: c.Files, ChannelName: c.Name, VideosScanned: c.Files, LastScan: lastScan, raw: c.Raw,
	}
	if handle := strings.TrimPrefix(c.Handle, "@"); handle != "" && !strings.ContainsAny(handle, "/?#% <>\"'\\") {
		out.ChannelURL = "https://www.youtube.com/@" + handle
	}
	return out
}

// lastScan is the time of the last complete scan; nil = there was none.
func (k *Knowledge) lastScan(ctx context.Context) (*string, error) {
	st, err := k.Base.Stats(ctx)
	if err != nil || st.LastScan == nil {
		return nil, err //nolint:wrapcheck // kb says what was being done
	}
	return new(stamp(*st.LastScan)), nil
}

func (s *Server) knowledgeCreators(ctx context.Context, in *KnowledgeCreatorsInput) (*answerOf[KnowledgeCreatorsBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	found, err := k.Base.Creators(ctx, in.Priority, in.Search)
	if err != nil {
		return nil, kbProblem(err)
	}
	last, err := k.lastScan(ctx)
	if err != nil {
		return nil, err
	}
	out := KnowledgeCreatorsBody{
		Success: true, Total: len(found.Creators), Creators: make([]KnowledgeCreatorRow, len(found.Creators)), Tiers: found.Tiers, Schedule: found.Schedule,
	}
	for i := range found.Creators {
		out.Creators[i] = creatorRow(&found.Creators[i], last)
	}
	return ok(out), nil
}

// KnowledgeCreatorInput names a creator.
type KnowledgeCreatorInput struct {
	ID    string `path:"creator_id" maxLength:"400" doc:"Any letter case"`
	Limit int    `query:"limit" default:"10" minimum:"1" maximum:"100" doc:"Files"`
}

// KnowledgeCreatorBody is a creator with their newest files.
type KnowledgeCreatorBody struct {
	Success bool `json:"success"`
	KnowledgeCreatorRow
	Creator KnowledgeCreatorRow `json:"creator" doc:"The same without the files"`
	Files   []KnowledgeFile     `json:"files"`
	Cached  bool                `json:"cached"`
}

// MarshalJSON keeps the embedded row from writing itself alone.
func (c KnowledgeCreatorBody) MarshalJSON() ([]byte, error) {
	row, err := json.Marshal(c.KnowledgeCreatorRow)
	if err != nil {
		return nil, err //nolint:wrapcheck // of encoding/json, to encoding/json
	}
	rest, err := json.Marshal(map[string]any{"success": c.Success, "creator": c.Creator, "files": c.Files, "cached": c.Cached})
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	return withRaw(rest, row)
}

func (s *Server) knowledgeCreator(ctx context.Context, in *KnowledgeCreatorInput) (*answerOf[KnowledgeCreatorBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	c, files, err := k.Base.Creator(ctx, in.ID, in.Limit)
	if errors.Is(err, kb.ErrNotFound) {
		return nil, notFound("Creator", in.ID)
	}
	if err != nil {
		return nil, kbProblem(err)
	}
	last, err := k.lastScan(ctx)
	if err != nil {
		return nil, err
	}
	row := creatorRow(&c, last)
	return ok(KnowledgeCreatorBody{Success: true, KnowledgeCreatorRow: row, Creator: row, Files: knowledgeFiles(files)}), nil
}

// KnowledgeRoutingBody are routing rules.
type KnowledgeRoutingBody struct {
	Success bool                    `json:"success"`
	Roots   []KnowledgeRoutingRules `json:"roots"`
}

// KnowledgeRoutingRules are those of one root.
type KnowledgeRoutingRules struct {
	Root    string `json:"root"`
	Rules   any    `json:"routing_rules" doc:"Category to agents"`
	Special any    `json:"special_routing"`
	Aliases any    `json:"agent_aliases"`
}

func (s *Server) knowledgeRouting(context.Context, *struct{}) (*answerOf[KnowledgeRoutingBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	out := KnowledgeRoutingBody{Success: true, Roots: []KnowledgeRoutingRules{}}
	for root, r := range k.Base.Routes() {
		rules := KnowledgeRoutingRules{Root: root}
		for to, raw := range map[*any]json.RawMessage{&rules.Rules: r.Rules, &rules.Special: r.Special, &rules.Aliases: r.Aliases} {
			if len(raw) > 0 {
				*to = raw
			}
		}
		out.Roots = append(out.Roots, rules)
	}
	slices.SortFunc(out.Roots, func(a, b KnowledgeRoutingRules) int { return cmp.Compare(a.Root, b.Root) })
	return ok(out), nil
}
