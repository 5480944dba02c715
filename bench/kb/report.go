package main

import (
	"fmt"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

func quantiles(l rig.Latencies) string {
	if len(l) == 0 {
		return "–"
	}
	return rig.Ms(l.Quantile(.5)) + " / " + rig.Ms(l.Quantile(.99))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func (a *answers) quantiles(kind string) string {
	if a == nil {
		return "–"
	}
	if r := a.Kinds[kind]; r != nil {
		return quantiles(r.latencies())
	}
	return "–"
}

func (a *answers) mrr(kind string) string {
	if a == nil {
		return "–"
	}
	if r := a.Kinds[kind]; r != nil {
		return fmt.Sprintf("%.3f", r.mrr())
	}
	return "–"
}

func (a *answers) perSec() string {
	if a == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", a.PerSec)
}

// of is what a peer answered, nil if it was not asked.
func (s *set) of(name string) *answers {
	if p := s.peers[name]; p != nil {
		return p.answers
	}
	return nil
}

// report writes everything as Markdown.
func report(o *options, small, large, tiny *set, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Knowledge base\n\n%s\n", rig.Machine())
	if o.small {
		b.WriteString("\n**A small run: a tenth of the files, fewer queries. Do not quote it.**\n")
	}
	fmt.Fprintf(&b, "\nCorpus: %d different documents (%.0f MB) of prose from Debian packages (%s), and %d (%.0f MB) with recombined paragraphs. Beside it SQLite FTS5 and Xapian, "+
		"as one would use them from Python, and ripgrep over the files. Times are of this machine with whatever else ran on it; compare within a column of one run.\n",
		len(small.files), float64(small.bytes)/1e6, from, len(large.files), float64(large.bytes)/1e6)

	for _, s := range []*set{large, small} {
		fmt.Fprintf(&b, "\n### The index of %d files\n\n", len(s.files))
		t := rig.NewTable("", "first index s", "CPU s", "most anonymous MiB", "disk MB", "of the text", "open ms")
		size := float64(s.bytes)
		d := s.ours
		t.Row("ours: the server, files to searchable, records included", seconds(d.index), seconds(d.cpu), rig.MiB(d.anon), fmt.Sprintf("%.0f + %.0f record", float64(d.disk)/1e6, float64(d.store)/1e6),
			fmt.Sprintf("%.2f×", float64(d.disk)/size), fmt.Sprintf("%.1f", s.engine.Open*1e3))
		for _, name := range peerNames {
			p := s.peers[name]
			if p == nil {
				continue
			}
			t.Row(peerTitles[name], seconds(p.index), seconds(p.cpu), rig.MiB(p.anon), fmt.Sprintf("%.0f", float64(p.disk)/1e6), fmt.Sprintf("%.2f×", float64(p.disk)/size), fmt.Sprintf("%.1f", p.Open*1e3))
		}
		b.WriteString(t.String())
		fmt.Fprintf(&b, "\nOurs goes on for %s s after the last file to merge segments (%s s of CPU). Unchanged rescan %s s, after 100 changes %s s. A saved file is found after %s ms (median; slowest %s). "+
			"A start with everything there answers after %s s. Memory: %s MiB resident (%s anonymous) while serving without queries, %s (%s) at most under eight clients.\n",
			seconds(d.settled), seconds(d.settledCPU-d.cpu), seconds(d.rescan), seconds(d.changed), rig.Ms(d.saved.Quantile(.5)), rig.Ms(d.saved.Quantile(1)), seconds(d.health),
			rig.MiB(d.resting.rss), rig.MiB(d.resting.anon), rig.MiB(d.asked.rss), rig.MiB(d.asked.anon))
		fmt.Fprintf(&b, "\n#### Queries, p50 / p99 ms, %d files\n\n", len(s.files))
		t = rig.NewTable("", "our index", "our server: HTTP, records, previews", "SQLite FTS5", "Xapian", "ripgrep")
		for _, kind := range latencyKinds {
			t.Row(kind, s.engine.quantiles(kind), quantiles(d.http[kind]), s.of("fts5").quantiles(kind), s.of("xapian").quantiles(kind), quantiles(s.rg[kind]))
		}
		t.Row("8 clients, answers/s", fmt.Sprintf("%.0f", s.engine.PerSec), fmt.Sprintf("%.0f", d.perSec), s.of("fts5").perSec(), s.of("xapian").perSec(), "")
		b.WriteString(t.String())
		fmt.Fprintf(&b, "\n%d queries of each kind for ours (at most 8 s of a kind for the peers, %d for ripgrep); the eight clients ask a mix of all kinds but literal.", o.each, rgMost)
		if d.literalIncomplete > 0 {
			fmt.Fprintf(&b, " %d of %d literal searches stopped after 2 s with what they had.", d.literalIncomplete, len(d.http[kindLiteral]))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n### Known items: mean reciprocal rank among ten, %d files\n\n", len(small.files))
	t := rig.NewTable("words of one sentence", "ours", "SQLite FTS5", "Xapian")
	for _, kind := range []string{known5, known3, knownTypo} {
		t.Row(kind, small.engine.mrr(kind), small.of("fts5").mrr(kind), small.of("xapian").mrr(kind))
	}
	b.WriteString(t.String())
	fmt.Fprintf(&b, "\n%d sentences. The peers ask for all words and, without a hit, for any; Xapian corrects spelling first.\n", o.known)
	fmt.Fprintf(&b, "\n### %d files\n\n", len(tiny.files))
	t = rig.NewTable("", "our server p50 / p99 ms", "found")
	for _, kind := range latencyKinds {
		t.Row(kind, quantiles(tiny.ours.http[kind]), fmt.Sprintf("%d of %d", tiny.ours.found[kind], len(tiny.ours.http[kind])))
	}
	b.WriteString(t.String())
	b.WriteString("\n### Targets\n\n" + targets(small, large, tiny).String())
	return b.String()
}

var peerTitles = map[string]string{"fts5": "SQLite FTS5", "xapian": "Xapian"}

// targets compares with what we promise ourselves.
func targets(small, large, tiny *set) *rig.Table {
	t := rig.NewTable("", "target", "measured", "")
	row := func(name, target, measured string, ok bool) {
		verdict := "met"
		if !ok {
			verdict = "**missed**"
		}
		t.Row(name, target, measured, verdict)
	}
	l := large.ours
	row("first index", "60 s", seconds(l.index)+" s", l.index <= time.Minute)
	row("most anonymous memory", "350 MiB", rig.MiB(l.anon)+" MiB", l.anon <= 350<<20)
	row("disk", "1.3×", fmt.Sprintf("%.2f×", float64(l.disk)/float64(large.bytes)), float64(l.disk) <= 1.3*float64(large.bytes))
	row("open", "100 ms", fmt.Sprintf("%.1f ms", large.engine.Open*1e3), large.engine.Open <= .1)
	row("unchanged rescan", "0.7 s", seconds(l.rescan)+" s", l.rescan <= 700*time.Millisecond)
	row("saved file found", "1 s", rig.Ms(l.saved.Quantile(1))+" ms", l.saved.Quantile(1) <= time.Second)
	for _, k := range []struct {
		kind     string
		p50, p99 time.Duration
	}{
		{kindTerm, 2 * time.Millisecond, 10 * time.Millisecond},
		{kindAnd, 2 * time.Millisecond, 10 * time.Millisecond},
		{kindFilter, 2 * time.Millisecond, 10 * time.Millisecond},
		{kindPhrase, 0, 25 * time.Millisecond},
		{kindPrefix, 0, 25 * time.Millisecond},
		{kindTypo, 0, 25 * time.Millisecond},
	} {
		got := large.engine.Kinds[k.kind].latencies()
		want := "p99 " + k.p99.String()
		if k.p50 > 0 {
			want = "p50 " + k.p50.String() + ", " + want
		}
		row(k.kind+", index of all files", want, quantiles(got)+" ms", (k.p50 == 0 || got.Quantile(.5) <= k.p50) && got.Quantile(.99) <= k.p99)
	}
	row("8 clients, index of the different files", "500/s", fmt.Sprintf("%.0f/s", small.engine.PerSec), small.engine.PerSec >= 500)
	row("known items, 5 words", "0.60", small.engine.mrr(known5), small.engine.Kinds[known5].mrr() >= .6)
	row("known items, one misspelt", "0.45", small.engine.mrr(knownTypo), small.engine.Kinds[knownTypo].mrr() >= .45)
	var all rig.Latencies
	literal := tiny.ours.http[kindLiteral]
	for _, kind := range latencyKinds {
		all = append(all, tiny.ours.http[kind]...)
	}
	row("603 files over HTTP, literal and all kinds", "p99 5 ms, all found", fmt.Sprintf("%s and %s ms, %d of %d", rig.Ms(literal.Quantile(.99)), rig.Ms(all.Quantile(.99)), tiny.ours.found[kindLiteral], len(literal)),
		literal.Quantile(.99) <= 5*time.Millisecond && all.Quantile(.99) <= 5*time.Millisecond && tiny.ours.found[kindLiteral] == len(literal))
	row("resident memory without queries", "150 MiB", rig.MiB(l.resting.rss)+" MiB", l.resting.rss <= 150<<20)
	return t
}
