package control

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// environ returns the environment of a service as NAME=value, sorted: what is inherited, under its files, under env, under
// the secrets.
func environ(s *Spec, getenv func(string) (string, bool), secrets map[string]string) ([]string, error) {
	all := map[string]string{}
	for _, name := range s.EnvInherit {
		if v, ok := getenv(name); ok {
			all[name] = v
		}
	}
	for _, name := range s.EnvFiles {
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.Cwd, name)
		}
		if err := readEnvFile(name, all); err != nil {
			return nil, err
		}
	}
	maps.Copy(all, s.Env)
	maps.Copy(all, secrets)
	out := make([]string, 0, len(all))
	for name, v := range all {
		out = append(out, name+"="+v)
	}
	slices.Sort(out)
	return out, nil
}

// maxEnvFile bounds an environment file; the kernel takes 2 MiB of environment and arguments in all.
const maxEnvFile = 1 << 20

// readEnvFile reads lines NAME=value: "export " in front, blank lines, comments and quotes around the value are understood;
// nothing is expanded.
func readEnvFile(name string, into map[string]string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read env file: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxEnvFile || !st.Mode().IsRegular() {
		return fmt.Errorf("read env file %s: is no file of at most 1 MiB", name)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxEnvFile)
	for n := 1; lines.Scan(); n++ {
		key, value, err := envLine(lines.Text())
		if err != nil {
			return fmt.Errorf("read env file %s: line %d: %w", name, n, err)
		}
		if key != "" {
			into[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read env file %s: %w", name, err)
	}
	return nil
}

// envLine reads one line; the name is "" when it holds none. Errors never repeat the value, which may be a secret.
func envLine(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
	name, value, found := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found || !envName().MatchString(name) {
		return "", "", fmt.Errorf("is not NAME=value")
	}
	if strings.ContainsRune(value, 0) {
		return "", "", fmt.Errorf("%s has a NUL byte", name)
	}
	switch {
	case value == "":
	case value[0] == '\'':
		rest, ok := strings.CutSuffix(value[1:], "'")
		if !ok {
			return "", "", fmt.Errorf("%s has no closing quote", name)
		}
		value = rest
	case value[0] == '"':
		rest, ok := strings.CutSuffix(value[1:], `"`)
		if !ok {
			return "", "", fmt.Errorf("%s has no closing quote", name)
		}
		value = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\"`, `"`, `\\`, `\`, `\$`, "$").Replace(rest)
	default:
		if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
	}
	return name, value, nil
}
