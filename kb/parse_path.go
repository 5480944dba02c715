package kb

import (
	"path"
	"strings"
)

// pathPlace is what a path says about a file.
type pathPlace struct{ agent, category string }

// placeOf reads R/ai-agents/<agent>/.../<category>/<file> and R/knowledge-base/L1-<agent>/<category>/<file>, whose agent is
// "knowledge-base" for old clients; elsewhere the first folder is the agent. The category is the name of the file's folder.
func placeOf(name string) pathPlace {
	dir := path.Dir(name)
	if dir == "." {
		return pathPlace{}
	}
	parts := strings.Split(dir, "/")
	p := pathPlace{agent: parts[0], category: parts[len(parts)-1]}
	if parts[0] == "ai-agents" {
		p.agent = ""
		if len(parts) > 1 {
			p.agent = parts[1]
		}
	}
	return p
}

// fromPath fills what is still empty by folder and file name: <creator>-<video id>-<YYYYMMDD>, <creator>-insights.
func (d *draft) fromPath() {
	p := placeOf(d.Path)
	fill(&d.Agent, p.agent)
	fill(&d.Category, p.category)
	fill(&d.VideoID, videoIDOf(d.URL)) // said more clearly than by the name of the file
	creator, video, date := splitName(stemOf(path.Base(d.Path)))
	if d.Type == "document" || d.Type == "transcript" {
		fill(&d.Source, creator)
		fill(&d.Creator, creator)
		if len(d.Entries) <= 1 {
			fill(&d.VideoID, video)
		}
		if t, ok := parseDate(date); ok && d.Published.IsZero() && len(d.Entries) <= 1 {
			d.Published = t
		}
	}
}

// splitName takes the parts out of the name of a written file. Ids of YouTube have 11 characters and may hold "-" themselves.
func splitName(stem string) (creator, video, date string) {
	if c, ok := strings.CutSuffix(strings.ToLower(stem), "-insights"); ok && c != "" {
		return c, "", ""
	}
	at := strings.LastIndexByte(stem, '-')
	if at < 1 || len(stem)-at-1 != 8 || strings.Trim(stem[at+1:], "0123456789") != "" {
		return "", "", ""
	}
	date, rest := stem[at+1:], stem[:at]
	if n := len(rest) - 11; n > 1 && rest[n-1] == '-' && videoID(rest[n:]) != "" && strings.ContainsAny(rest[n:], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_") {
		return rest[:n-1], rest[n:], date
	}
	at = strings.LastIndexByte(rest, '-')
	if at < 1 {
		return rest, "", date
	}
	return rest[:at], videoID(rest[at+1:]), date
}

// stemOf is the name that a file, its sidecar and its transcript share: without extension, and for transcripts without the
// language in front of it ("talk.en.vtt").
func stemOf(base string) string {
	lower := strings.ToLower(base)
	for _, sidecar := range []string{".meta.json", ".info.json"} {
		if strings.HasSuffix(lower, sidecar) {
			return base[:len(base)-len(sidecar)]
		}
	}
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if isTranscript(base) || strings.EqualFold(ext, ".txt") {
		if tail := path.Ext(stem); len(tail) > 2 && len(tail) <= 8 && isLanguage(tail[1:]) {
			stem = strings.TrimSuffix(stem, tail)
		} else if cut, ok := strings.CutSuffix(stem, ".transcript"); ok {
			stem = cut
		}
	}
	return stem
}

func isLanguage(s string) bool {
	a, b, _ := strings.Cut(s, "-")
	return (len(a) == 2 || len(a) == 3) && strings.Trim(a, "abcdefghijklmnopqrstuvwxyz") == "" && len(b) <= 4
}

func isTranscript(base string) bool {
	ext := strings.ToLower(path.Ext(base))
	return ext == ".vtt" || ext == ".srt"
}

func isSidecar(base string) bool {
	lower := strings.ToLower(base)
	return strings.HasSuffix(lower, ".meta.json") || strings.HasSuffix(lower, ".info.json")
}

// isDocument says whether a file of this name is one, by its extension.
func isDocument(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".md", ".markdown", ".txt", ".jsonl", ".vtt", ".srt":
		return true
	case ".json":
		return !isSidecar(base)
	}
	return false
}
