//go:build unix

package kb

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHostileFilesAreNamedAndStopNothing(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	put := func(name, text string) { writeFile(t, filepath.Join(root, name), text) }
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	put("a/good.md", "# Good\n")
	writeFile(t, filepath.Join(outside, "secret.md"), "# Secret\n")
	link("/etc/passwd", "a/passwd.md")
	link(outside, "a/outside")
	link("../../"+filepath.Base(outside)+"/secret.md", "a/up.md")
	link("loop-b.md", "a/loop-a.md")
	link("loop-a.md", "a/loop-b.md")
	link("..", "a/parent")
	link("nowhere.md", "a/dangling.md")
	link("good.md", "a/alias.md")
	if err := syscall.Mkfifo(filepath.Join(root, "a/pipe.md"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(root, "a/sock.md")
	if len(socket) < 100 {
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	device := syscall.Mknod(filepath.Join(root, "a/device.md"), syscall.S_IFCHR|0o644, 0x0105) == nil // /dev/zero; needs root
	put("a/huge.md", "")
	if err := os.Truncate(filepath.Join(root, "a/huge.md"), 5<<30); err != nil {
		t.Logf("no sparse file: %v", err)
	}
	put("a/nul.md", "# a\x00b\n")
	put("a/latin1.md", "# Gr\xf6\xdfe\n")
	put("a/utf16.md", "\xff\xfe#\x00 \x00h\x00i\x00\n\x00")
	put("a/bom.md", "\ufeff# Bom\r\n\r\ntext\r\n")
	put("a/bomb.md", "---\na: &a [1]\nb: [*a, *a]\n---\n# Bomb\n")
	put("a/trust.md", "# T\n**Confidence:** 250%\n")
	put("a/html.md", "# <script>alert(1)</script>\n")
	put("a/Größe und Maß (1).md", "# Umlaut\n")
	put("a/line\nbreak.md", "# Line\n")
	unreadable := os.Getuid() != 0
	put("a/secret.md", "# no\n")
	if err := os.Chmod(filepath.Join(root, "a/secret.md"), 0); err != nil {
		t.Fatal(err)
	}

	r := newRig(t, root)
	j := r.scan(ScanRequest{Force: true})
	check(t, "status", j.Status, JobCompleted)
	got := reasons(j)
	want := map[string]Reason{
		"a/passwd.md": LinkOutsideRoot, "a/outside": LinkOutsideRoot, "a/up.md": LinkOutsideRoot, "a/loop-a.md": LinkLoop, "a/loop-b.md": LinkLoop, "a/parent": LinkLoop,
		"a/dangling.md": Unreadable, "a/pipe.md": NotRegular, "a/huge.md": TooLarge, "a/nul.md": Binary,
		"a/latin1.md": BadUTF8, "a/bomb.md": AliasesRefused, "a/trust.md": OddValue,
	}
	if len(socket) < 100 {
		want["a/sock.md"] = NotRegular
	}
	if device {
		want["a/device.md"] = NotRegular
	}
	if unreadable {
		want["a/secret.md"] = Unreadable
	}
	for name, reason := range want {
		if got[name] != reason {
			t.Errorf("%s: got %q, want %q", name, got[name], reason)
		}
	}
	for name, reason := range got {
		if want[name] == "" {
			t.Errorf("%s: unexpected %q", name, reason)
		}
	}
	titles := map[string]string{
		"a/good.md": "Good", "a/alias.md": "Good", "a/latin1.md": "Gr\uFFFDe", "a/utf16.md": "hi", "a/bom.md": "Bom", "a/bomb.md": "Bomb", "a/trust.md": "T",
		"a/html.md": "<script>alert(1)</script>", "a/Größe und Maß (1).md": "Umlaut", "a/line\nbreak.md": "Line",
	}
	ids := r.ids()
	for name, title := range titles {
		f, err := r.File(t.Context(), ids[name])
		if err != nil || f.Title != title {
			t.Errorf("%s: title %q, want %q, %v", name, f.Title, title, err)
		}
	}
	for _, doc := range r.index.all() {
		if strings.Contains(doc.Text, "Secret") || strings.Contains(doc.Text, "root:") {
			t.Errorf("%s was read from outside: %q", doc.Path, doc.Text)
		}
	}
	for _, name := range []string{"a/passwd.md", "../" + filepath.Base(outside) + "/secret.md", filepath.Join(outside, "secret.md"), "/etc/passwd", "a/outside/secret.md"} {
		_, err := r.File(t.Context(), name)
		wantErr(t, name, err, ErrOutside)
		_, err = r.Content(t.Context(), name)
		wantErr(t, name, err, ErrOutside)
	}
}

func TestContentIsNotReadThroughALinkThatTookAFilesPlace(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "# a\n")
	r := newRig(t, root)
	id := r.ids()["a.md"]
	if c, err := r.Content(t.Context(), id); err != nil || c.Text != "# a\n" {
		t.Fatalf("%q, %v", c.Text, err)
	}
	os.Remove(filepath.Join(root, "a.md"))
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "a.md")); err != nil {
		t.Fatal(err)
	}
	if c, err := r.Content(t.Context(), id); err == nil {
		t.Errorf("read %q", c.Text)
	}
	j := r.scan(ScanRequest{})
	check(t, "reason", reasons(j)["a.md"], LinkOutsideRoot)
}

func TestFolderThatCannotBeListedDeletesNothing(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may list every folder")
	}
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a/x.md"), "# x\n")
	writeFile(t, filepath.Join(root, "b/y.md"), "# y\n")
	makeOld(t, root)
	r := newRig(t, root)
	if err := os.Chmod(filepath.Join(root, "a"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(root, "a"), 0o755)
	r.scan(ScanRequest{})
	check(t, "kept", len(r.ids()), 2)
}
