package kb

import (
	"context"
	"fmt"
	"testing"
)

// TestFilesOfACreatorAreThoseThatAreCounted: the number beside a creator, their page and every listing are of the same files.
func TestFilesOfACreatorAreThoseThatAreCounted(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root+"/knowledge-base/metadata/creator-database.json", `{"creators":[
		{"id":"PixelOrchard","name":"Pixel Orchard"},{"id":"@LatentLantern","name":"Latent"},{"id":"ai","name":"Short"},
		{"id":"größe-öl","name":"Größe & Öl"},{"id":"dots.and space","name":"Dots"},{"id":"orchard","name":"Within another"},{"id":"none","name":"Nobody"}]}`)
	for name, text := range map[string]string{
		"ai-agents/x/PIXELORCHARD-v1.md": "# A\n",
		"ai-agents/x/other.md":           "---\ncreator_id: pixelORCHARD\n---\n# B\n",
		"ai-agents/x/by-name.md":         "---\ncreator: Pixel Orchard\n---\n# C\n",
		"notes/LatentLantern/a.md":       "# D\n",
		"notes/b.md":                     "---\ncreator_id: latentlantern\n---\n# E\n",
		"notes/f.md":                     "---\ncreator: Latent\n---\n# E\n",
		"notes/GRÖSSE-ÖL-1.md":           "# F\n",
		"notes/Größe-ÖL-2.md":            "# G\n",
		"notes/Dots.And Space/c.md":      "# H\n",
		"notes/main.md":                  "# I\n",
	} {
		writeFile(t, root+"/"+name, text)
	}
	r := newRig(t, root)
	if _, n, err := r.Files(t.Context(), FileQuery{Creator: "@"}); n != 0 || err != nil {
		t.Errorf("of nobody: %d files, %v", n, err)
	}
	list, err := r.Creators(t.Context(), "", "")
	if err != nil || len(list.Creators) != 7 {
		t.Fatalf("%d creators, %v", len(list.Creators), err)
	}
	want := map[string]int{"PixelOrchard": 3, "@LatentLantern": 3, "ai": 4, "größe-öl": 1, "dots.and space": 1, "orchard": 1, "none": 0}
	for _, c := range list.Creators {
		one, files, err := r.Creator(context.Background(), c.ID, 100)
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		_, listed, err := r.Files(t.Context(), FileQuery{Creator: c.ID})
		if n := want[c.ID]; err != nil || c.Files != n || one.Files != n || one.Name != c.Name || len(files) != n || listed != n {
			t.Errorf("%s: counted %d, on the page %d and %d, listed %d, want %d, %v", c.ID, c.Files, one.Files, len(files), listed, n, err)
		}
	}
}

func TestOddRowsOfACreatorDatabase(t *testing.T) {
	creators, tiers, schedule, odd, err := parseCreators("main", []byte(`{"metadata":{"total_creators":"many"},"creators":[
		{"name":"without an id"}, null, 7, "text", {"id":null,"name":"null"}, {"id":""},
		{"id":42,"name":7,"value_rating":"9","scan_last_n_videos":"15","subscribers":1700,"primary_agents":"all","focus":null},
		{"id":"Twice","name":"first"},{"id":"tWICE","name":"second"},{"id":"@twice","name":"third"},{"id":"@"},
		{"id":"odd","value_rating":"high","scan_last_n_videos":-3,"primary_agents":[null,"a",3,{"b":1}],"knowledge_categories":{"x":1}}
	],"priority_tiers":{"High":["Twice",42,null],"low":"text"},"scan_schedule":{"high":"weekly","low":7,"medium":null}}`))
	if err != nil || len(creators) != 3 {
		t.Fatalf("%+v, %v", creators, err)
	}
	n, twice, last := creators[0], creators[1], creators[2]
	check(t, "id", n.ID, "42", "name", n.Name, "7", "rating", n.ValueRating, 9, "videos", n.ScanLastVideos, 15, "subscribers", n.Subscribers, "1700",
		"agents", n.PrimaryAgents, "[all]", "focus", n.Focus, "", "first", twice.Name, "first", "rating of a word", last.ValueRating, 0, "videos", last.ScanLastVideos, 0,
		"name of the id", last.Name, "odd", "odd", odd, 9, "tiers", fmt.Sprint(tiers), "map[high:[Twice 42]]", "schedule", fmt.Sprint(schedule), "map[high:weekly]")
	// Tiers and schedule in a form that nobody knows do not take the creators away.
	creators, tiers, schedule, _, err = parseCreators("main", []byte(`{"creators":[{"id":"a"}],"priority_tiers":["high"],"scan_schedule":"weekly"}`))
	check(t, "creators", len(creators), 1, "tiers", len(tiers), 0, "schedule", len(schedule), 0, "err", err, nil)
	if _, _, _, _, err := parseCreators("main", []byte(`{"creators":{"a":{}}}`)); err == nil {
		t.Error("creators that are no list are taken")
	}
}

func TestOddRoutingRulesArePassedOn(t *testing.T) {
	root := t.TempDir()
	const name = "/knowledge-base/metadata/routing-rules.json"
	writeFile(t, root+name, `{"routing_rules":["a"],"special_routing":null,"agent_aliases":"text"}`)
	r := newRig(t, root)
	rules := r.Routes()["main"]
	check(t, "rules", string(rules.Rules), `["a"]`, "special", string(rules.Special), "null", "aliases", string(rules.Aliases), `"text"`)
	for _, text := range []string{`["a list"]`, `{"routing_rules":`, `"text"`} {
		writeFile(t, root+name, text)
		j := r.scan(ScanRequest{})
		check(t, text, reasons(j)["routing-rules.json"], BadJSON, "status", j.Status, JobCompleted)
	}
}
