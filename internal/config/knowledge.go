package config

import (
	"fmt"
	"strings"

	"controlcenter/control"
	"controlcenter/internal/unit"
)

// Knowledge says where the knowledge base is and how it is kept in step with its files.
type Knowledge struct {
	Roots       []KnowledgeRoot `yaml:"roots" items:"..50" doc:"Folders that hold knowledge, with ai-agents and knowledge-base in them where the old layout is used."`
	Scan        KnowledgeScan   `yaml:"scan" doc:"How changes are found."`
	MaxFileSize unit.Bytes      `yaml:"max_file_size" min:"1KiB" max:"1GiB" doc:"Larger files are not read, 1KiB to 1GiB."`
	WriteBack   bool            `yaml:"write_back" doc:"Write the status that a review gave into the Markdown file too; otherwise files are never written."`
}

// KnowledgeRoot is one folder of knowledge.
type KnowledgeRoot struct {
	// ID is part of the ids of the documents, so it must not change.
	ID   string `yaml:"id" format:"rootid" doc:"Name of the root, needed; part of the ids of its documents, so it must not change."`
	Path string `yaml:"path" format:"folder" doc:"The folder, needed; a relative one is relative to this file."`
}

// KnowledgeScan says how changes of the files are found.
type KnowledgeScan struct {
	Every unit.Duration `yaml:"every" min:"10s" max:"7d" doc:"Time between two scans for changes."`
	Watch bool          `yaml:"watch" doc:"Look at folders as soon as the system says that they changed."`
	// Command is an argv template; empty = scans only read the files.
	Command []string `yaml:"command" items:"..100" doc:"Program and arguments of an outside tool that a scan runs first, without a shell, in the first root. {creator}, {priority}, {force} and {max_videos} stand for what the scan was asked for, see docs/knowledge.md."`
}

// ScanJob is the name of the job that runs knowledge.scan.command.
const ScanJob = "kb-scan"

// scanPlaceholders are what knowledge.scan.command may hold in braces.
var scanPlaceholders = []string{"{creator}", "{priority}", "{force}", "{max_videos}"}

// checkRoots is the cross check of knowledge.roots.
func checkRoots(c *Config) string {
	ids, paths := map[string]bool{}, map[string]string{}
	for i, r := range c.Knowledge.Roots {
		at := fmt.Sprintf("entry %d ", i)
		switch {
		case r.ID == "":
			return at + "has no id; accepted: " + formats["rootid"].accepted
		case r.Path == "":
			return at + "has no path; accepted: a path"
		case ids[r.ID]:
			return at + "has the id " + quote(r.ID) + " of another; accepted: each id once"
		case paths[r.Path] != "":
			return at + "is the folder of " + quote(paths[r.Path]) + "; accepted: each folder once"
		}
		ids[r.ID], paths[r.Path] = true, r.ID
	}
	return ""
}

// checkScanCommand is the cross check of knowledge.scan.command.
func checkScanCommand(c *Config) string {
	command := c.Knowledge.Scan.Command
	if len(command) == 0 {
		return ""
	}
	if len(c.Knowledge.Roots) == 0 {
		return "needs a root to run in; accepted: knowledge.roots beside it"
	}
	for name := range c.Services {
		if control.Key(name) == ScanJob {
			return "runs as the job " + ScanJob + ", which services." + name + " defines too; accepted: one of the two"
		}
	}
	if command[0] == "" || strings.Contains(command[0], "{") {
		return quote(command[0]) + " is no program; accepted: a path or a name, then arguments"
	}
	for _, arg := range command {
		for rest := arg; ; {
			_, after, found := strings.Cut(rest, "{")
			name, end, closed := strings.Cut(after, "}")
			if !found || !closed {
				break
			}
			if word := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_"); word == "" && name != "" && !isPlaceholder(name) {
				return quote("{"+name+"}") + " stands for nothing; accepted: " + strings.Join(scanPlaceholders, ", ")
			}
			rest = end
		}
	}
	return ""
}

func isPlaceholder(name string) bool {
	for _, p := range scanPlaceholders {
		if p == "{"+name+"}" {
			return true
		}
	}
	return false
}
