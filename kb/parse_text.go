package kb

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeText makes UTF-8 with "\n" line ends of a file's bytes. UTF-8 and UTF-16 with a byte order mark are known; other bytes
// that are no UTF-8 are replaced by U+FFFD, and replaced says so. NUL bytes mean that it is no text: a [RejectError].
func decodeText(b []byte) (text string, replaced bool, err error) {
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		b, replaced = decodeUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		b, replaced = decodeUTF16(b[2:], binary.BigEndian)
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return "", false, &RejectError{Binary, "NUL byte at " + strconv.Itoa(i)}
	}
	text = string(b)
	if !utf8.ValidString(text) {
		text, replaced = strings.ToValidUTF8(text, "\uFFFD"), true
	}
	if strings.Contains(text, "\r") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return text, replaced, nil
}

func decodeUTF16(b []byte, order binary.ByteOrder) (out []byte, replaced bool) {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	out = make([]byte, 0, len(b))
	for _, r := range utf16.Decode(units) {
		replaced = replaced || r == utf8.RuneError
		out = utf8.AppendRune(out, r)
	}
	return out, replaced || len(b)%2 == 1
}

func countWords(s string) (n int) {
	in := false
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		space := r == ' ' || '\t' <= r && r <= '\r'
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			space = unicode.IsSpace(r)
		}
		if !space && !in {
			n++
		}
		in = !space
		i += size
	}
	return n
}

// oneLine removes control characters, joins blanks and shortens: what stands in one field of a listing.
func oneLine(s string, limit int) string {
	clean := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f || s[i] == ' ' && (i == 0 || s[i-1] == ' ' || i == len(s)-1) {
			clean = false
			break
		}
	}
	if !clean {
		s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		}), " ")
	}
	return strings.TrimSpace(clip(s, limit))
}

// slug is the lower-case form of a name that ids and file names use.
func slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	return clip(b.String(), maxName)
}

// parseConfidence reads a labelled confidence as a number from 0 to 1: "95%", "0.95", "95", "high", "High (90%)", "9/10". ok is
// false when the text says no such thing; what is not a number from 0 to 100 is never rounded into the range.
func parseConfidence(s string) (v float64, ok bool) {
	s = strings.ToLower(strings.Trim(strings.TrimSpace(s), "*_`\"' "))
	if at := strings.IndexByte(s, '%'); at >= 0 { // the number before the sign
		digits := strings.TrimRight(s[:at], " ")
		from := len(digits)
		for from > 0 && strings.IndexByte("0123456789.,", digits[from-1]) >= 0 {
			from--
		}
		if from > 0 && digits[from-1] == '-' && (from == 1 || digits[from-2] == ' ') {
			return 0, false
		}
		v, ok = plainNumber(digits[from:])
		return v / 100, ok && v <= 100
	}
	word, _, _ := strings.Cut(strings.NewReplacer("(", " ", ",", " ", ";", " ").Replace(s), " ")
	switch word {
	case "high":
		return 0.9, true
	case "medium":
		return 0.6, true
	case "low":
		return 0.3, true
	}
	if a, b, found := strings.Cut(s, "/"); found {
		n, ok1 := plainNumber(a)
		of, ok2 := plainNumber(b)
		return n / of, ok1 && ok2 && of > 0 && n <= of
	}
	v, ok = plainNumber(s)
	switch {
	case !ok || v > 100:
		return 0, false
	case v > 1:
		return v / 100, true
	}
	return v, true
}

// plainNumber reads digits with an optional fraction; a sign, an exponent, hex and the like are none.
func plainNumber(s string) (float64, bool) {
	s = strings.Replace(strings.TrimSpace(s), ",", ".", 1)
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// parseDate reads the forms of a day or a time that people and downloaders write. Zone-less times are UTC.
func parseDate(s string) (time.Time, bool) {
	s = strings.Trim(strings.TrimSpace(s), "*_`\"'")
	if s == "" || len(s) > 40 {
		return time.Time{}, false
	}
	for _, layout := range []string{
		"2006-01-02", "20060102", "2006-01-02 15:04", "2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04",
		"2006-01-02 15:04:05Z07:00", "2006/01/02", "02.01.2006", "January 2, 2006", "Jan 2, 2006", "2 January 2006", "2 Jan 2006", "January 2006", "2006-01",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), t.Year() >= 1900 && t.Year() < 2200
		}
	}
	return time.Time{}, false
}

const maxDuration = 1000 * time.Hour

// parseDuration reads seconds, mm:ss, h:mm:ss, "12m30s", "1 h 5 min" and PT12M30S.
func parseDuration(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.Trim(strings.TrimSpace(s), "*_`~\"'"))
	if sec, ok := clock(s); ok {
		return seconds(sec)
	}
	if v, ok := plainNumber(s); ok {
		return seconds(v)
	}
	s = strings.TrimPrefix(s, "p")
	s = strings.TrimPrefix(s, "t")
	total, found := 0.0, false
	for s = strings.TrimLeft(s, " ,"); s != ""; s = strings.TrimLeft(s, " ,") {
		n := 0
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
			n++
		}
		v, ok := plainNumber(s[:n])
		if !ok {
			return 0, false
		}
		s = strings.TrimLeft(s[n:], " ")
		n = 0
		for n < len(s) && s[n] >= 'a' && s[n] <= 'z' {
			n++
		}
		switch s[:n] {
		case "h", "hr", "hrs", "hour", "hours":
			total += v * 3600
		case "m", "min", "mins", "minute", "minutes":
			total += v * 60
		case "s", "sec", "secs", "second", "seconds":
			total += v
		default:
			return 0, false
		}
		s, found = s[n:], true
	}
	if !found {
		return 0, false
	}
	return seconds(total)
}

func seconds(v float64) (time.Duration, bool) {
	if v < 0 || v > maxDuration.Seconds() {
		return 0, false
	}
	return time.Duration(v * float64(time.Second)), true
}

// clock reads mm:ss and h:mm:ss, with a fraction behind a point or a comma, as seconds.
func clock(s string) (float64, bool) {
	parts := strings.Split(strings.TrimSpace(s), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	total := 0.0
	for i, p := range parts {
		last := i == len(parts)-1
		if p == "" || len(p) > 9 || !last && strings.ContainsAny(p, ".,") {
			return 0, false
		}
		v, ok := plainNumber(p)
		if !ok || i > 0 && v >= 60 {
			return 0, false
		}
		total = total*60 + v
	}
	return total, total <= maxDuration.Seconds()
}

// webURL returns s if it is an http or https address, else "": other schemes are nothing that a page may link to.
func webURL(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "<>\"'`")
	if len(s) > 2000 {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return s
}

// firstURL finds an address in a line of text or Markdown.
func firstURL(s string) string {
	at := strings.Index(s, "http")
	if at < 0 {
		return ""
	}
	end := strings.IndexAny(s[at:], " \t<>\"'`)]|")
	if end < 0 {
		end = len(s) - at
	}
	return webURL(strings.TrimRight(s[at:at+end], ".,;"))
}

// videoIDOf takes the id of a video out of its address.
func videoIDOf(address string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	host := strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(u.Hostname()), "www."), "m.")
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case host == "youtu.be":
		return videoID(parts[0])
	case host != "youtube.com" && host != "youtube-nocookie.com" && host != "music.youtube.com":
		return ""
	case parts[0] == "watch":
		return videoID(u.Query().Get("v"))
	case len(parts) > 1 && (parts[0] == "shorts" || parts[0] == "embed" || parts[0] == "live" || parts[0] == "v"):
		return videoID(parts[1])
	}
	return ""
}

// videoID returns s if it can be the id of a video, else "".
func videoID(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "`*\"'")
	if s == "" || len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" {
		return ""
	}
	return s
}

// status returns one of the known states of a review, "" when the text says none of them.
func knownStatus(s string) string {
	switch w := strings.ToLower(strings.Trim(strings.TrimSpace(s), "*_`.! ")); w {
	case "approved", "pending", "rejected", "conflicting", "superseded":
		return w
	case "pending review", "pending_review", "needs review", "flagged":
		return "pending"
	case "conflict":
		return "conflicting"
	}
	return ""
}
