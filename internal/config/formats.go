package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"controlcenter/internal/lazy"
)

// A format is the accepted form of a text. norm returns the text as it is kept, and false when it is not of that form.
type format struct {
	accepted string
	norm     func(string) (string, bool)
}

// formats by the name used in the tag format. "path" and "folder" are made absolute afterwards.
var formats = map[string]format{
	"hostport": {"host:port with port 0 to 65535", hostport},
	"host":     {"a host name or IP address, without port", host},
	"origin":   {"scheme://host or scheme://host:port, without path", origin},
	"name":     {"lower-case letters, digits and _", name},
	"path":     {"a path; empty for none", path},
	"folder":   {"a path", folder},
	"pattern":  {"names of letters, digits and . _ : / @ + -, with * for any text and a vertical bar between alternatives; empty for any", pattern},
	"file":     {"a path", folder},
	"network":  {"an IP address or network such as 10.0.0.0/8", network},
	"secret32": {"at least 32 characters", secret32},
	"password": {"8 to 256 characters", password},
	"user":     {"3 to 100 letters, digits, ., _, @ or -", userName},
	"clock":    {"a time of day from 00:00 to 23:59; empty for none", clock},
	"rootid":   {"1 to 50 letters, digits, _ and -", rootID},
}

var (
	// RFC 1123 names, and _ inside because container networks use it.
	hostPattern   = lazy.Regexp(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$`)
	digitsAndDots = lazy.Regexp(`^[0-9.]+$`)
	zonePattern   = lazy.Regexp(`^[A-Za-z0-9._-]*$`) // interface names; netip takes any text
	namePattern   = lazy.Regexp(`^[a-z][a-z0-9_]*$`)
	rootPattern   = lazy.Regexp(`^[A-Za-z0-9_-]{1,50}$`)
	clockPattern  = lazy.Regexp(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	globPattern   = lazy.Regexp(`^[A-Za-z0-9*][A-Za-z0-9._:/@+*-]*(\|[A-Za-z0-9*][A-Za-z0-9._:/@+*-]*)*$`)
	userPattern   = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._@-]{2,99}$`)
	schemePattern = lazy.Regexp(`^[a-z][a-z0-9+.-]*$`)
)

func hostport(s string) (string, bool) {
	h, p, err := net.SplitHostPort(s)
	if err != nil || !portNumber(p) {
		return "", false
	}
	if h != "" {
		if a, err := netip.ParseAddr(h); err != nil && !hostName(h) || !zonePattern().MatchString(a.Zone()) {
			return "", false
		}
	}
	return s, true
}

func portNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// hostName refuses what looks like an address and is none, such as 127.0.0.256.
func hostName(s string) bool {
	return len(s) <= 253 && hostPattern().MatchString(s) && !digitsAndDots().MatchString(s)
}

// host drops the brackets of an IPv6 address and the case of a name: that is how requests are compared.
func host(s string) (string, bool) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
		if !strings.Contains(bare, ":") {
			return "", false
		}
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return a.String(), a.Zone() == "" // no request names a zone
	}
	return strings.ToLower(s), hostName(s)
}

// origin writes it as a browser sends it: lower case, no default port.
func origin(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || !schemePattern().MatchString(u.Scheme) || strings.HasSuffix(u.Host, ":") {
		return "", false
	}
	// What is more than scheme and host (a path, "?", "#") is not in this text.
	if !strings.EqualFold(s, u.Scheme+"://"+u.Host) {
		return "", false
	}
	h, bracketed := u.Hostname(), strings.Contains(u.Hostname(), ":")
	norm, ok := host(h)
	if !ok {
		return "", false
	}
	if bracketed {
		norm = "[" + norm + "]"
	}
	switch p := u.Port(); {
	case p == "", u.Scheme == "http" && p == "80", u.Scheme == "https" && p == "443":
	case !portNumber(p) || p == "0":
		return "", false
	default:
		norm += ":" + p
	}
	return u.Scheme + "://" + norm, true
}

// network is an address or a prefix, masked, as it is compared.
func network(s string) (string, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), p.Addr().Zone() == ""
	}
	a, err := netip.ParseAddr(s)
	return s, err == nil && a.Zone() == ""
}

func secret32(s string) (string, bool) { return s, len(s) >= 32 || s == "" }

func password(s string) (string, bool) {
	return s, s == "" || utf8.RuneCountInString(s) >= 8 && len(s) <= 256
}

func userName(s string) (string, bool) { return s, userPattern().MatchString(s) }

func rootID(s string) (string, bool) { return s, rootPattern().MatchString(s) }

func clock(s string) (string, bool) { return s, s == "" || clockPattern().MatchString(s) }

func name(s string) (string, bool) { return s, namePattern().MatchString(s) }

func pattern(s string) (string, bool) { return s, s == "" || globPattern().MatchString(s) }

// path refuses ~ in front: no shell expands it here, and a folder of that name is never what was meant.
func path(s string) (string, bool) {
	return s, !strings.ContainsRune(s, 0) && s != "~" && !strings.HasPrefix(s, "~/") && !strings.HasPrefix(s, `~\`)
}

func folder(s string) (string, bool) {
	_, ok := path(s)
	return s, ok && s != ""
}
