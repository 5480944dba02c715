package kb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"controlcenter/internal/store"
)

// Creator is one of the creator database. Files and LastScan are ours, all else is as it was written.
type Creator struct {
	ID              string   `json:"id"` // as it is written; compared without regard to case
	Name            string   `json:"name"`
	Handle          string   `json:"handle"`
	Subscribers     string   `json:"subscribers"`
	Priority        string   `json:"priority"` // critical, high, medium, low, or what was written
	Focus           string   `json:"focus"`
	PrimaryAgents   []string `json:"primary_agents"`
	SubAgents       []string `json:"sub_agents"`
	Categories      []string `json:"knowledge_categories"`
	UpdateFrequency string   `json:"update_frequency"`
	ScanLastVideos  int      `json:"scan_last_n_videos"`
	ValueRating     float64  `json:"value_rating"` // 1 to 10
	Notes           string   `json:"notes"`

	Raw   json.RawMessage `json:"raw,omitempty"` // the whole object, for fields that have no place here
	Root  string          `json:"root"`
	Files int             `json:"related_files"` // filled by [Base.Creators] and [Base.Creator]
}

// CreatorList is what the creator databases say. Counts are of the lists: what the metadata of the files claims is not used.
type CreatorList struct {
	Creators []Creator           `json:"creators"`
	Tiers    map[string][]string `json:"priority_tiers"` // tier to ids of creators
	Schedule map[string]string   `json:"scan_schedule"`  // tier to every_3_days, weekly, bi-weekly, monthly
}

// Routes are the routing rules, passed on as they are written.
type Routes struct {
	Rules   json.RawMessage `json:"routing_rules,omitempty"`   // category to agents
	Special json.RawMessage `json:"special_routing,omitempty"` // passed on
	Aliases json.RawMessage `json:"agent_aliases,omitempty"`   // other name to agent
}

// lists are what was read of the metadata folders.
type lists struct {
	tiers    map[string][]string
	schedule map[string]string
	routes   map[string]Routes // by root
}

// parseCreators reads a creator database. Odd rows are left out and counted; a database that is no JSON is an error.
func parseCreators(root string, data []byte) (creators []Creator, tiers map[string][]string, schedule map[string]string, odd int, err error) {
	text, _, err := decodeText(data)
	if err != nil {
		return nil, nil, nil, 0, err
	}
	var file struct {
		Creators []json.RawMessage `json:"creators"`
		Tiers    json.RawMessage   `json:"priority_tiers"`
		Schedule json.RawMessage   `json:"scan_schedule"`
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, nil, nil, 0, fmt.Errorf("not a creator database: %w", err)
	}
	seen := map[string]bool{}
	for _, raw := range file.Creators {
		c, ok := parseCreator(raw)
		if key := creatorKey(c.ID); !ok || key == "" || seen[key] || len(raw) > 64<<10 || len(creators) >= 10_000 {
			odd++
			continue
		}
		seen[creatorKey(c.ID)] = true
		c.Root, c.Raw = root, raw
		creators = append(creators, c)
	}
	// Of these two what is odd is left out, entry by entry: the creators are worth more than they.
	var perTier map[string]any
	_ = json.Unmarshal(file.Tiers, &perTier)
	tiers = map[string][]string{}
	for tier, v := range perTier {
		ids, ok := v.([]any) // one example of the old documentation has a text here
		if !ok {
			continue
		}
		tier = strings.ToLower(tier)
		tiers[tier] = []string{}
		for _, id := range ids {
			if s := oneLine(plainText(id), maxName); s != "" {
				tiers[tier] = append(tiers[tier], s)
			}
		}
	}
	var frequencies map[string]any
	_ = json.Unmarshal(file.Schedule, &frequencies)
	schedule = map[string]string{}
	for tier, v := range frequencies {
		if s, ok := v.(string); ok {
			schedule[strings.ToLower(tier)] = s
		}
	}
	return creators, tiers, schedule, odd, nil
}

// plainText is a text or a number of JSON as text; "" for all else.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// parseCreator takes what it can of one object, whatever the types of the rest.
func parseCreator(raw json.RawMessage) (Creator, bool) {
	v, err := parseJSON(string(raw))
	if err != nil || v.kind != object {
		return Creator{}, false
	}
	text := func(key string) string { return oneLine(v.get(key).string(), 2000) }
	many := func(key string) []string {
		out := []string{}
		for _, s := range v.get(key).strings() {
			if s = oneLine(s, maxName); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	c := Creator{
		ID: oneLine(v.get("id").string(), maxName), Name: text("name"), Handle: text("handle"), Subscribers: text("subscribers"),
		Priority: strings.ToLower(text("priority")), Focus: text("focus"), PrimaryAgents: many("primary_agents"), SubAgents: many("sub_agents"),
		Categories: many("knowledge_categories"), UpdateFrequency: text("update_frequency"), Notes: text("notes"),
	}
	if n, ok := plainNumber(text("scan_last_n_videos")); ok && n < 1e6 {
		c.ScanLastVideos = int(n)
	}
	if n, ok := plainNumber(text("value_rating")); ok && n <= 10 {
		c.ValueRating = n
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	return c, c.ID != ""
}

// readLists reads the creator database and the routing rules of a root, where they are. The store gets what changed.
func (b *Base) readLists(ctx context.Context, s *scan) {
	read := func(name string) []byte {
		for _, dir := range []string{"knowledge-base/metadata/", "metadata/"} {
			data, _, err := readRegular(s.dir, dir+name, 16<<20, nil)
			if err == nil {
				return data
			}
			if _, statErr := s.dir.Lstat(dir + name); !errors.Is(statErr, fs.ErrNotExist) {
				s.j.fail(FileError{Path: dir + name, Root: s.root.ID, Reason: Unreadable, Detail: err.Error()})
			}
		}
		return nil
	}
	var routes Routes
	if data := read("routing-rules.json"); data != nil {
		if text, _, err := decodeText(data); err != nil || json.Unmarshal([]byte(text), &routes) != nil {
			s.j.fail(FileError{Path: "routing-rules.json", Root: s.root.ID, Reason: BadJSON})
		}
	}
	var creators []Creator
	var tiers map[string][]string
	var schedule map[string]string
	if data := read("creator-database.json"); data != nil {
		var odd int
		var err error
		if creators, tiers, schedule, odd, err = parseCreators(s.root.ID, data); err != nil {
			s.j.fail(FileError{Path: "creator-database.json", Root: s.root.ID, Reason: BadJSON, Detail: err.Error()})
			return // what was known stays
		}
		if odd > 0 {
			s.j.note("creator database of root %s: %d creators without an id, or with one that is taken, were left out", s.root.ID, odd)
		}
	}
	b.setCreators(ctx, s, creators, tiers, schedule, routes)
}

// setCreators makes the creators of one root those given.
func (b *Base) setCreators(ctx context.Context, s *scan, creators []Creator, tiers map[string][]string, schedule map[string]string, routes Routes) {
	key := func(c *Creator) string { return clip(strings.ToLower(c.ID), 400) + "@" + clip(c.Root, 400) }
	b.mu.Lock()
	var others, before []Creator
	for _, c := range b.creators {
		if c.Root == s.root.ID {
			before = append(before, c)
		} else {
			others = append(others, c)
		}
	}
	b.creators = append(others, creators...)
	if b.lists == nil {
		b.lists = map[string]lists{}
	}
	b.lists[s.root.ID] = lists{tiers: tiers, schedule: schedule, routes: map[string]Routes{s.root.ID: routes}}
	b.mu.Unlock()
	same := slices.EqualFunc(before, creators, func(a, c Creator) bool { return string(a.Raw) == string(c.Raw) })
	if same {
		return
	}
	err := b.o.Store.Update(ctx, func(tx *store.Tx) error {
		for i := range before {
			if err := creatorTable.Delete(tx, key(&before[i])); err != nil {
				return err
			}
		}
		for i := range creators {
			if err := creatorTable.Put(tx, key(&creators[i]), creators[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.j.note("the creators of root %s were not stored: %v", s.root.ID, err)
	}
}

// Creators returns the creators of all roots, each id once, with counts of their files. priority chooses one tier, search a part
// of name or focus in any case; "" = all.
func (b *Base) Creators(ctx context.Context, priority, search string) (CreatorList, error) {
	if err := b.load(ctx); err != nil {
		return CreatorList{}, err
	}
	out := CreatorList{Creators: []Creator{}, Tiers: map[string][]string{}, Schedule: map[string]string{}}
	priority, search = strings.ToLower(priority), strings.ToLower(search)
	all := b.allCreators()
	for _, c := range all {
		if priority != "" && c.Priority != priority ||
			search != "" && !strings.Contains(strings.ToLower(c.Name), search) && !strings.Contains(strings.ToLower(c.Focus), search) {
			continue
		}
		out.Creators = append(out.Creators, c)
	}
	b.countRelated(out.Creators)
	b.mu.Lock()
	for _, l := range b.lists {
		for tier, ids := range l.tiers {
			out.Tiers[tier] = append(out.Tiers[tier], ids...)
		}
		for tier, s := range l.schedule {
			out.Schedule[tier] = s
		}
	}
	b.mu.Unlock()
	if len(out.Tiers) == 0 { // before the first scan of this process, or a database without them
		for _, c := range all {
			out.Tiers[c.Priority] = append(out.Tiers[c.Priority], c.ID)
		}
	}
	return out, nil
}

// allCreators returns each creator once; the first root wins.
func (b *Base) allCreators() []Creator {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[string]bool{}
	var out []Creator
	for _, root := range b.o.Roots {
		for _, c := range b.creators {
			if key := creatorKey(c.ID); c.Root == root.ID && !seen[key] {
				seen[key] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// creatorNames maps what files call a creator to the id of the database.
func (b *Base) creatorNames() map[string]string {
	names := map[string]string{}
	all := b.allCreators()
	for _, c := range all {
		names[creatorKey(c.ID)] = creatorKey(c.ID)
	}
	for _, c := range all {
		for _, name := range []string{c.Name, strings.TrimPrefix(c.Handle, "@")} {
			if name = strings.ToLower(name); name != "" && names[name] == "" {
				names[name] = creatorKey(c.ID)
			}
		}
	}
	return names
}

func (c *catalog) currentVersion() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// Creator returns one creator and its newest files, at most limit. The id is compared without regard to case. A creator whom
// only files name has an ID and a Name alone. Errors: [ErrNotFound].
func (b *Base) Creator(ctx context.Context, id string, limit int) (Creator, []File, error) {
	if err := b.load(ctx); err != nil {
		return Creator{}, nil, err
	}
	lower := creatorKey(id)
	if lower == "" {
		return Creator{}, nil, fmt.Errorf("creator %q: %w", id, ErrNotFound)
	}
	var c Creator
	all := b.allCreators()
	i := slices.IndexFunc(all, func(c Creator) bool { return creatorKey(c.ID) == lower })
	if i >= 0 {
		c = all[i]
	}
	var rows []*row
	own := false
	for _, r := range b.cat.ordered("date_desc") {
		if relates(r, lower) {
			own = own || r.creator == lower
			if c.Files++; len(rows) < limit {
				rows = append(rows, r)
			}
		}
	}
	if i < 0 {
		if !own {
			return Creator{}, nil, fmt.Errorf("creator %q: %w", id, ErrNotFound)
		}
		c.ID, c.Name = lower, lower
	}
	files, err := b.filesOf(ctx, rows)
	return c, files, err
}

// Routes returns the routing rules by root.
func (b *Base) Routes() map[string]Routes {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]Routes{}
	for _, l := range b.lists {
		for root, r := range l.routes {
			out[root] = r
		}
	}
	return out
}

// creatorFilter chooses the files of one creator or of all of one tier: those that the record says are theirs, and those whose path
// has their id, name or handle, however it is joined: brushwork-lab is BrushworkLab.
func (b *Base) creatorFilter(job *Job) func(dir, name string, old *row) bool {
	ids := map[string]bool{}
	if job.Kind == ScanCreator {
		ids[creatorKey(job.Creator)] = true
	} else {
		b.mu.Lock()
		for _, l := range b.lists {
			for tier, members := range l.tiers {
				for _, id := range members {
					ids[creatorKey(id)] = ids[creatorKey(id)] || strings.EqualFold(tier, job.Tier)
				}
			}
		}
		b.mu.Unlock()
	}
	var names []string
	for _, c := range b.allCreators() {
		id := creatorKey(c.ID)
		if job.Kind == ScanTier && c.Priority == job.Tier {
			ids[id] = true
		}
		if ids[id] {
			names = append(names, bare(c.Name), bare(c.Handle))
		}
	}
	for id, wanted := range ids {
		if wanted {
			names = append(names, bare(id))
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	return func(dir, name string, old *row) bool {
		if old != nil && ids[old.creator] {
			return true
		}
		in := bare(below(dir, name))
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(in, n) })
	}
}

// bare is a name without what joins its words, in lower case.
func bare(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// ScheduleOf turns a frequency of the creator database into the form that cron reads: every_3_days, weekly, bi-weekly, monthly,
// daily. ok is false for another.
func ScheduleOf(frequency string) (cron string, ok bool) {
	switch strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(frequency))) {
	case "daily":
		return "0 4 * * *", true
	case "every_3_days":
		return "0 4 */3 * *", true
	case "weekly":
		return "0 4 * * MON", true
	case "bi_weekly", "biweekly", "every_2_weeks":
		return "0 4 1,15 * *", true
	case "monthly":
		return "0 4 1 * *", true
	}
	return "", false
}
