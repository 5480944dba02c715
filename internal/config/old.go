package config

import (
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
)

// An oldRule reads variables of the backend that this server replaces as the value of a key of ours.
type oldRule struct {
	key   string
	names []string
	doc   string
	// value returns the text for the key, "" to leave it, or why a variable cannot be used: warn skips it, wrong is an error.
	// get returns "" for a variable that is not set.
	value func(get func(string) string) (value, warn, wrong string)
	// set puts the value in force, for keys that one word of text cannot give; nil = as a variable of ours would.
	set func(l *loader, value string) (wrong string)
}

var oldRules = []oldRule{
	{"web.listen_addresses", []string{"HOST", "PORT"}, "one address `HOST:PORT`; the part that is not set is `127.0.0.1` or `8080`. `HOST` counts only as an IP address or `localhost`: some shells and tools export it with another meaning", oldListen, nil},
	{"web.cors_origins", []string{"CORS_ORIGINS"}, "comma list or JSON list", same("CORS_ORIGINS"), nil},
	{"stream.interval", []string{"WS_UPDATE_INTERVAL"}, "whole seconds", func(get func(string) string) (string, string, string) {
		s := get("WS_UPDATE_INTERVAL")
		if s == "" {
			return "", "", ""
		}
		if _, err := strconv.ParseUint(s, 10, 31); err != nil {
			return "", "", quote(s) + " is not a whole number of seconds; accepted: 1 to 60"
		}
		return s + "s", "", ""
	}, nil},
	{"exporter.ports.start", []string{"PORT_SCAN_START"}, "", same("PORT_SCAN_START"), nil},
	{"exporter.ports.end", []string{"PORT_SCAN_END"}, "", same("PORT_SCAN_END"), nil},
	{"knowledge.roots", []string{"AI_AGENTS_ROOT"}, "one root with the id `main`", same("AI_AGENTS_ROOT"), oldRoot},
	{"auth.jwt_secret", []string{"JWT_SECRET"}, "ignored when it has less than 32 characters", oldSecret, nil},
	{"auth.default_admin.username", []string{"DEFAULT_ADMIN_USERNAME"}, "", same("DEFAULT_ADMIN_USERNAME"), nil},
	{"auth.default_admin.password", []string{"DEFAULT_ADMIN_PASSWORD"}, "ignored when it has less than 8 characters", oldPassword, nil},
	{"log.level", []string{"DEBUG"}, "`true`, `1`, `yes` or `on` is `debug`; `false`, `0`, `no` or `off` leaves the level as it is", oldDebug, nil},
}

// oldUnused are variables that may stay in the environment or .env of somebody who comes from the old backend.
var oldUnused = []string{
	"OLLAMA_URL", "JWT_ALGORITHM", "JWT_EXPIRATION_HOURS",
	"COMFYUI_DIR", "COMFYUI_PYTHON_PATH", "MEOWPING_DIR", "KB_SCHEDULER_PATH", "KEYS_API_DIR", "YOUTUBE_API_KEY_FILE",
}

func same(name string) func(func(string) string) (string, string, string) {
	return func(get func(string) string) (string, string, string) { return get(name), "", "" }
}

func oldListen(get func(string) string) (value, warn, wrong string) {
	h, p := get("HOST"), get("PORT")
	if h != "" && h != "localhost" {
		if _, err := netip.ParseAddr(strings.Trim(h, "[]")); err != nil {
			warn = "environment HOST: " + quote(h) + " is neither an IP address nor localhost, so it is ignored; set CC_WEB_LISTEN_ADDRESSES to say where to listen"
			h = ""
		}
	}
	if h == "" && p == "" {
		return "", warn, ""
	}
	if p == "" {
		p = "8080"
	} else if !portNumber(p) {
		return "", warn, quote(p) + " is not a port; accepted: 0 to 65535"
	}
	if h == "" {
		h = "127.0.0.1"
	}
	return net.JoinHostPort(strings.Trim(h, "[]"), p), warn, ""
}

func oldDebug(get func(string) string) (value, warn, wrong string) {
	switch s := get("DEBUG"); strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return "debug", "", ""
	case "", "false", "0", "no", "off":
		return "", "", ""
	default:
		// Other programs read DEBUG too ("app:*"), so this is no reason to refuse to start.
		return "", "environment DEBUG: " + quote(s) + " is neither true nor false, so it is ignored", ""
	}
}

// oldRoot makes the folder of the older backend the only root.
func oldRoot(l *loader, path string) (wrong string) {
	r := KnowledgeRoot{ID: "main"}
	field, _ := reflect.TypeFor[KnowledgeRoot]().FieldByName("Path")
	if wrong = setScalar(reflect.ValueOf(&r.Path).Elem(), field.Tag, l.dir, path); wrong == "" {
		l.out.Config.Knowledge.Roots = []KnowledgeRoot{r}
	}
	return wrong
}

const databaseURLWarning = "environment DATABASE_URL: not used, the state is kept below storage.path; remove the variable"
