package kb

import (
	"path"
	"strings"
)

// ignoreRules are the patterns of one .kbignore file: as in .gitignore, blank lines and "#" are comments, "!" takes back, a
// slash at the end means folders, a slash elsewhere binds the pattern to the file's own folder, "**" stands for any folders.
type ignoreRules struct {
	base   string // folder of the file, "" = the root
	rules  []ignoreRule
	parent *ignoreRules
}

type ignoreRule struct {
	parts        []string // of an anchored pattern
	name         string   // of one that is not
	not, onlyDir bool
}

const (
	ignoreFile     = ".kbignore"
	maxIgnoreBytes = 64 << 10
	maxIgnoreRules = 1_000
)

// parseIgnore reads a .kbignore; patterns that are malformed match nothing.
func parseIgnore(base, text string, parent *ignoreRules) *ignoreRules {
	r := &ignoreRules{base: base, parent: parent}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || line[0] == '#' || len(r.rules) >= maxIgnoreRules {
			continue
		}
		var rule ignoreRule
		line, rule.not = strings.CutPrefix(line, "!")
		line, rule.onlyDir = strings.CutSuffix(line, "/")
		if strings.Contains(line, "/") {
			rule.parts = strings.Split(strings.TrimPrefix(line, "/"), "/")
			if strings.Count(line, "**") > 2 { // each one multiplies the work
				continue
			}
		} else {
			rule.name = line
		}
		r.rules = append(r.rules, rule)
	}
	return r
}

// match says whether a path relative to the root is ignored. Rules of deeper folders and later lines win.
func (r *ignoreRules) match(name string, dir bool) bool {
	for ; r != nil; r = r.parent {
		rel := name
		if r.base != "" {
			rel = strings.TrimPrefix(name, r.base+"/")
		}
		for i := len(r.rules) - 1; i >= 0; i-- {
			if rule := r.rules[i]; (dir || !rule.onlyDir) && rule.match(rel) {
				return !rule.not
			}
		}
	}
	return false
}

func (r *ignoreRule) match(rel string) bool {
	if r.name != "" {
		ok, err := path.Match(r.name, path.Base(rel))
		return ok && err == nil
	}
	return matchParts(r.parts, strings.Split(rel, "/"))
}

func matchParts(pattern, parts []string) bool {
	for i, p := range pattern {
		if p == "**" {
			for n := range len(parts) - i + 1 {
				if matchParts(pattern[i+1:], parts[i+n:]) {
					return true
				}
			}
			return false
		}
		if i >= len(parts) {
			return false
		}
		if ok, err := path.Match(p, parts[i]); err != nil || !ok {
			return false
		}
	}
	return len(pattern) == len(parts)
}

// alwaysSkipped says whether a name is never looked at: hidden ones (.git, .obsidian, .trash), and what editors leave.
func alwaysSkipped(base string) bool {
	return base[0] == '.' || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".tmp") || strings.HasPrefix(base, "~$")
}

// holdsNoDocuments knows the folders of the old layout that hold the creator database and the logs of jobs.
func holdsNoDocuments(dir string) bool {
	return dir == "knowledge-base/metadata" || dir == "knowledge-base/logs"
}
