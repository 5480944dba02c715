package kb

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// idEncoding writes ids: lower case, without padding, safe in addresses and file names.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// pathKey stands for one path of one root: the first 80 bits of sha256(root id "/" path).
type pathKey [10]byte

func keyOf(root, name string) pathKey {
	sum := sha256.Sum256([]byte(root + "/" + name))
	return pathKey(sum[:])
}

// id is the id of a document that was first seen under this path.
func (k pathKey) id() string { return "p-" + idEncoding.EncodeToString(k[:]) }

// parseDerivedID is the reverse of id.
func parseDerivedID(id string) (pathKey, bool) {
	text, ok := strings.CutPrefix(id, "p-")
	if !ok || len(text) != 16 {
		return pathKey{}, false
	}
	b, err := idEncoding.DecodeString(text)
	if err != nil {
		return pathKey{}, false
	}
	return pathKey(b), true
}

// freeID derives an id for a path whose own id belongs to a document that was moved away from there.
func freeID(root, name string, taken func(string) bool) string {
	for n := 2; ; n++ {
		if id := keyOf(root, name+"\x00"+strconv.Itoa(n)).id(); !taken(id) {
			return id
		}
	}
}

// frontMatterID returns an id that a front matter may claim, "" when it may not: ids stand in addresses, and "p-" is ours.
func frontMatterID(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 100 || strings.HasPrefix(s, "p-") || s[0] == '.' || s[0] == '-' {
		return ""
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") != "" {
		return ""
	}
	return s
}

var (
	// ErrNotFound says that there is no such document, creator, agent, job or insight.
	ErrNotFound = errors.New("not found")
	// ErrOutside says that a path leads out of the roots.
	ErrOutside = errors.New("path is outside the knowledge base")
	// ErrInvalid says that an argument is not of an accepted form; the text names it.
	ErrInvalid = errors.New("invalid")
)

// pathOfID decodes the ids of the old interface: base64 of a path, standard or URL-safe, with or without padding, possibly
// percent-encoded. ok is false when it is nothing of the kind.
func pathOfID(id string) (name string, ok bool) {
	if un, err := url.PathUnescape(id); err == nil {
		id = un
	}
	id = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(id), "=")
	b, err := base64.RawStdEncoding.DecodeString(id)
	if err != nil || len(b) == 0 || !utf8.Valid(b) {
		return "", false
	}
	for _, c := range b {
		if c < 0x20 || c == 0x7f {
			return "", false
		}
	}
	return string(b), true
}

// relativeTo makes a cleaned path with slashes, relative to a root's folder, of an absolute or relative one. ok is false when
// it leads elsewhere.
func relativeTo(folder, name string) (string, bool) {
	name = strings.ReplaceAll(name, "\\", "/")
	folder = strings.TrimRight(strings.ReplaceAll(folder, "\\", "/"), "/")
	if absolute := path.IsAbs(name) || len(name) > 1 && name[1] == ':'; absolute {
		clean := path.Clean(name)
		rest, ok := strings.CutPrefix(clean, folder+"/")
		return rest, ok
	}
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", false
	}
	return clean, true
}

// PathID returns the id of a document that has none in its front matter and was first seen under this path, relative to its
// root.
func PathID(root, name string) string { return keyOf(root, name).id() }
