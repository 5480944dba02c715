package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
)

// FileName is the name under which a configuration file is searched.
const FileName = "controlcenter.yaml"

// Options say where [Load] looks.
type Options struct {
	File  string              // --config.file; "" = search for it. A relative path is below Dir
	Flags map[string][]string // key, such as "web.listen_addresses", to what was typed; only flags that were typed
	// Environ is "NAME=value" as of os.Environ.
	Environ []string
	// Dir is the working directory: controlcenter.yaml, .env and relative paths of flags and variables are looked up in it.
	Dir string
	// UserConfigDir is searched for controlcenter/controlcenter.yaml; "" = not searched.
	UserConfigDir string
	// StateDir is the default of storage.path; "" = unknown.
	StateDir string
	// Executable is the path of this program, for ${self} in commands of services; "" = unknown.
	Executable string
}

// DefaultOptions returns the options of this process: its environment, its working directory, the folders of its user. Folders
// that are unknown stay "".
func DefaultOptions() Options {
	dir, _ := os.Getwd()
	user, _ := os.UserConfigDir()
	executable, _ := os.Executable()
	return Options{Environ: os.Environ(), Dir: dir, UserConfigDir: user, StateDir: stateDir(), Executable: executable}
}

// Loaded is a configuration and where its values came from.
type Loaded struct {
	Config Config
	// File is the absolute path of the file that was read, "" when there was none.
	File string
	// Sources holds every key, and for what the file gave its sections and entries too ("web", "web.cors_origins[1]").
	Sources map[string]Source
	// Warnings are sentences to show the user once.
	Warnings []string
}

type loader struct {
	dir      string
	out      *Loaded
	doc      *document // nil without a file
	problems []Problem
}

func (l *loader) problem(key string, from Source, text string) {
	l.problems = append(l.problems, Problem{Key: clean(key), Source: from, Text: clean(text)})
}

// Load reads file, .env, environment and flags, checks every value and returns the result, or an [*Error] that lists all
// problems. It prints nothing and may be called from several goroutines at once.
func Load(o Options) (*Loaded, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, &Error{[]Problem{{Text: "find the working directory: " + err.Error()}}}
	}
	l := &loader{dir: dir, out: &Loaded{Config: defaults(o.StateDir), Sources: map[string]Source{}}}
	for _, f := range keys() {
		l.out.Sources[f.Key] = Source{Kind: "default"}
	}
	dotenv := l.readDotEnv()
	vars := environment(o.Environ, dotenv)
	l.readFile(o, vars["CC_CONFIG_FILE"])
	l.applyEnvironment(vars)
	l.applyFlags(o.Flags)
	l.finish()
	if len(l.problems) > 0 {
		return nil, &Error{l.problems}
	}
	return l.out, nil
}

func (l *loader) readDotEnv() map[string]variable {
	name := filepath.Join(l.dir, ".env")
	// A folder of that name is somebody's virtual environment.
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return nil
	}
	data, err := readBounded(name)
	if err != nil {
		if !absent(err) {
			l.problem("", Source{"file", name}, err.Error())
		}
		return nil
	}
	vars, problems := parseDotEnv(name, data)
	l.problems = append(l.problems, problems...)
	return vars
}

// absent says that a file that may be missing is missing; a part of its path may be a file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

func (l *loader) readFile(o Options, named variable) {
	type candidate struct {
		name string
		from Source
	}
	var tries []candidate
	switch {
	case o.File != "":
		tries = []candidate{{o.File, Source{"flag", "--config.file"}}}
	case named.value != "":
		tries = []candidate{{named.value, Source{"environment", named.detail}}}
	default:
		tries = []candidate{{FileName, Source{}}}
		if o.UserConfigDir != "" {
			tries = append(tries, candidate{filepath.Join(o.UserConfigDir, "controlcenter", FileName), Source{}})
		}
	}
	for _, try := range tries {
		name := try.name
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.dir, name)
		}
		data, err := readBounded(name)
		if err != nil {
			if try.from.Kind != "" || !absent(err) {
				l.problem("", try.from, err.Error())
			}
			continue
		}
		l.out.File = name
		l.decodeFile(name, data, o.Executable)
		return
	}
}

func (l *loader) decodeFile(name string, data []byte, executable string) {
	d := newDocument(name, filepath.Dir(name), data)
	if top := d.parse(data); top != nil {
		d.decode(top, reflect.ValueOf(&l.out.Config).Elem(), "", "", place{1, 1})
	}
	d.finishServices(l.out.Config.Services, executable)
	d.refuseMasks(l.out.Config.Services)
	l.doc = d
	l.problems = append(l.problems, d.problems...)
	maps.Copy(l.out.Sources, d.sources)
}

func (l *loader) applyFlags(flags map[string][]string) {
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		f := keyNamed(key)
		switch {
		case f == nil || f.Flag == "":
			l.problem(key, Source{"flag", "--" + key}, "no flag of this key")
		case len(flags[key]) > 0:
			l.set(f, Source{"flag", "--" + f.Flag}, flags[key])
		}
	}
}

// finish fills the defaults that depend on other keys and checks what no single value can tell.
func (l *loader) finish() {
	c := &l.out.Config
	if l.out.Sources["web.socket"].Kind == "default" {
		c.Web.Socket = socketIn(c.Storage.Path)
	}
	if len(l.problems) > 0 {
		return // a value that was refused left its default, which proves nothing
	}
	for _, cross := range crossChecks {
		text := cross.check(c)
		if text == "" {
			continue
		}
		blamed := l.latest(cross.keys)
		from := l.out.Sources[blamed]
		if from.Kind != "file" {
			l.problem(blamed, from, text)
			continue
		}
		l.doc.problems = nil
		l.doc.report(l.doc.places[blamed], blamed, text)
		l.problems = append(l.problems, l.doc.problems...)
	}
}

// latest returns the key whose value came from the strongest layer, the first of those that are equal.
func (l *loader) latest(names []string) string {
	rank := map[string]int{"default": 0, "file": 1, "environment": 2, "flag": 3}
	return slices.MaxFunc(names, func(a, b string) int {
		return rank[l.out.Sources[a].Kind] - rank[l.out.Sources[b].Kind]
	})
}
