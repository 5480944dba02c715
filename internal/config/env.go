package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"controlcenter/internal/lazy"
)

// otherNames are CC_ variables that belong to the command line and are no keys.
var otherNames = []string{
	"CC_CONFIG_FILE", // as --config.file
	"CC_URL",         // of the server that client commands talk to
	"CC_TOKEN",       // with which they do
	"CC_API_KEY",     // the same
	"CC_KEYS_FILE",   // where keys by URL are kept
}

// ourPattern is the form of our variables. Compilers read CC_x86_64_unknown_linux_gnu: not ours, so lower case never is.
var ourPattern = lazy.Regexp(`^CC_[A-Z0-9_]+$`)

// environment merges .env (weaker) and the process's variables.
func environment(environ []string, dotenv map[string]variable) map[string]variable {
	vars := maps.Clone(dotenv)
	if vars == nil {
		vars = map[string]variable{}
	}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			vars[name] = variable{value, name}
		}
	}
	return vars
}

// applyEnvironment sets what the variables say: CC_ names first, old names for keys that have none.
func (l *loader) applyEnvironment(vars map[string]variable) {
	known := slices.Clone(otherNames)
	for _, f := range keys() {
		if f.Env == "" {
			l.applyOld(f, vars)
			continue
		}
		known = append(known, f.Env)
		v, set := vars[f.Env]
		if f.Alias != "" {
			known = append(known, f.Alias)
			if alias, ok := vars[f.Alias]; ok && (!set || v.value == "" && !takesEmpty(f)) {
				v, set = alias, true
			} else if ok && alias.value != v.value {
				l.problem(f.Key, Source{"environment", alias.detail}, "set differently by "+v.detail+"; accepted: one of the two")
			}
		}
		if !set || v.value == "" && !takesEmpty(f) {
			l.applyOld(f, vars)
			continue
		}
		l.set(f, Source{"environment", v.detail}, []string{v.value})
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !ourPattern().MatchString(name) || slices.Contains(known, name) {
			continue
		}
		text := "unknown variable"
		if near := nearest(name, known); near != "" {
			text += "; did you mean " + near + "?"
		} else {
			text += "; `controlcenter config show` lists the known ones"
		}
		l.problem("", Source{"environment", vars[name].detail}, text)
	}
	if _, ok := vars["DATABASE_URL"]; ok {
		l.out.Warnings = append(l.out.Warnings, databaseURLWarning)
	}
}

func (l *loader) applyOld(f *field, vars map[string]variable) {
	for _, rule := range oldRules {
		if rule.key != f.Key {
			continue
		}
		var used []string
		for _, name := range rule.names {
			if v := vars[name]; v.value != "" {
				used = append(used, v.detail)
			}
		}
		value, warn, wrong := rule.value(func(name string) string { return strings.TrimSpace(vars[name].value) })
		from := Source{"environment", strings.Join(used, ", ")}
		if warn != "" {
			l.out.Warnings = append(l.out.Warnings, warn)
		}
		switch {
		case wrong != "":
			l.problem(f.Key, from, wrong)
		case value != "" && rule.set != nil:
			if wrong := rule.set(l, value); wrong != "" {
				l.problem(f.Key, from, wrong)
				continue
			}
			l.replaced(f, from)
		case value != "":
			l.set(f, from, []string{value})
		}
	}
}

// set gives a key the text of a variable or flag.
func (l *loader) set(f *field, from Source, values []string) {
	if wrong := setText(f.in(reflect.ValueOf(&l.out.Config).Elem()), f.Tag, l.dir, values); wrong != "" {
		l.problem(f.Key, from, wrong)
		return
	}
	l.replaced(f, from)
}

// replaced notes where the value of a key came from, and forgets the entries of the list that it replaces.
func (l *loader) replaced(f *field, from Source) {
	maps.DeleteFunc(l.out.Sources, func(key string, _ Source) bool {
		return strings.HasPrefix(key, f.Key+"[") // entries of the list that this one replaces
	})
	l.out.Sources[f.Key] = from
}
