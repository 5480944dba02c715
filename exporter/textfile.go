package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// maxTextfile is the largest *.prom file that is read; scripts write a few kilobytes.
const maxTextfile = 8 << 20

// Textfiles is the reading of the textfile collector: the families that other programs left as *.prom files in
// Settings.TextfileDir, shown at /metrics/node as they are.
type Textfiles struct {
	Families []*dto.MetricFamily // sorted by name; nobody may change them
	Files    []Textfile          // the files read, sorted
	Failed   bool                // a file, or part of one, could not be shown
}

// Textfile is one file that was read in full.
type Textfile struct {
	Path            string
	ModifiedSeconds float64 // Unix time
}

var (
	nodeTextfileError = Desc{"node_textfile_scrape_error", "1 if there was an error opening or reading a file, 0 otherwise", Gauge, nil}
	nodeTextfileMtime = Desc{"node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.", Gauge, []string{"file"}}
)

// newTextfile builds the part. Families that the other parts write are not taken from files: reserved says which names.
func newTextfile(o *Options) *Part[Textfiles] {
	r := &textfileReader{current: o.Current, reserved: reservedNames()}
	return &Part[Textfiles]{
		Name: "textfile", Kind: Dear, Every: 5 * time.Second,
		Read: r.read,
		Node: []*Desc{&nodeTextfileError, &nodeTextfileMtime},
		EmitNode: func(v *Textfiles, e *Emitter) {
			e.Family(&nodeTextfileError).Bool(v.Failed)
			mtime := e.Family(&nodeTextfileMtime)
			for _, f := range v.Files {
				mtime.Add(f.ModifiedSeconds, f.Path)
			}
			e.Pass(v.Families...)
		},
	}
}

// reservedNames are the families of /metrics/node, all of them declared in this package's literals.
func reservedNames() map[string]bool {
	// Part lists are built anew from the constructors' own literals, without reading anything.
	var o Options
	o.fill()
	names := map[string]bool{
		nodeSuccess.Name: true, nodeDuration.Name: true, nodeTextfileError.Name: true, nodeTextfileMtime.Name: true,
	}
	for _, list := range [][]*Desc{
		newCPU(&o).Node, newMemory(&o).Node, newLoad(&o).Node, newPressure(&o).Node, newFilesystem(&o).Node, newDiskIO(&o).Node,
		newNetwork(&o).Node, newSensors(&o).Node, newHost(&o).Node,
	} {
		for _, d := range list {
			names[d.Name] = true
		}
	}
	return names
}

type textfileReader struct {
	current  func() *Settings
	reserved map[string]bool
}

// read reads every *.prom file. A file that cannot be read or parsed, or has timestamps, is left out and named in the error;
// so are families that two files give another type or that this program writes itself, and series that were there before.
func (r *textfileReader) read(ctx context.Context) (*Textfiles, error) {
	v := &Textfiles{}
	dir := r.current().TextfileDir
	if dir == "" {
		return v, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		v.Failed = true
		return v, fmt.Errorf("read %s: %w: %w", dir, err, ErrPartial)
	}
	m := familyMerger{reserved: r.reserved, byName: map[string]*mergedFamily{}}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(e.Name(), ".prom") {
			continue
		}
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			break
		}
		families, modified, err := readTextfile(path)
		if err == nil {
			v.Files = append(v.Files, Textfile{path, modified})
			err = m.add(families, path)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", path, err))
		}
	}
	v.Families = m.families()
	if len(errs) > 0 {
		v.Failed = true
		return v, fmt.Errorf("%w: %w", errors.Join(errs...), ErrPartial)
	}
	return v, nil
}

func readTextfile(path string) (map[string]*dto.MetricFamily, float64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxTextfile {
		return nil, 0, fmt.Errorf("want a regular file of at most %d bytes", maxTextfile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	families, err := parseTextfile(b)
	return families, unixSeconds(st.ModTime()), err
}

var errTimestamps = errors.New("series with timestamps are not supported")

// parseTextfile reads the text format of Prometheus.
func parseTextfile(b []byte) (map[string]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(string(b)))
	if err != nil {
		return nil, err
	}
	for _, mf := range families {
		for _, m := range mf.GetMetric() {
			if m.TimestampMs != nil {
				return nil, errTimestamps
			}
		}
	}
	return families, nil
}

// familyMerger joins the families of several files.
type familyMerger struct {
	reserved map[string]bool
	byName   map[string]*mergedFamily
}

type mergedFamily struct {
	mf   *dto.MetricFamily
	seen map[string]bool // series by their labels
}

func (m *familyMerger) add(families map[string]*dto.MetricFamily, path string) error {
	var errs []error
	for _, name := range sortedKeys(families) {
		mf := families[name]
		if m.isReserved(name) {
			errs = append(errs, fmt.Errorf("family %s is one of this program's own", name))
			continue
		}
		have := m.byName[name]
		if have == nil {
			have = &mergedFamily{&dto.MetricFamily{Name: new(name), Help: mf.Help, Type: mf.Type}, map[string]bool{}}
			if mf.Help == nil {
				have.mf.Help = new("Metric read from " + path)
			}
			m.byName[name] = have
		}
		if have.mf.GetType() != mf.GetType() {
			errs = append(errs, fmt.Errorf("family %s is a %s here and a %s in another file", name, mf.GetType(), have.mf.GetType()))
			continue
		}
		for _, s := range mf.GetMetric() {
			key := seriesKey(s)
			if have.seen[key] {
				errs = append(errs, fmt.Errorf("family %s has the series {%s} twice", name, key))
				continue
			}
			have.seen[key] = true
			have.mf.Metric = append(have.mf.Metric, s)
		}
	}
	return errors.Join(errs...)
}

// isReserved also covers the families that are named by the kernel or by drivers.
func (m *familyMerger) isReserved(name string) bool {
	for _, prefix := range [...]string{"node_memory_", "node_vmstat_", "node_hwmon_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return m.reserved[name]
}

func (m *familyMerger) families() []*dto.MetricFamily {
	list := make([]*dto.MetricFamily, 0, len(m.byName))
	for _, f := range m.byName {
		list = append(list, f.mf)
	}
	slices.SortFunc(list, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return list
}

// seriesKey is the series' labels in order of their names; an empty label is no label.
func seriesKey(m *dto.Metric) string {
	pairs := make([]string, 0, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		if l.GetValue() != "" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
