package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// mountSmall mounts a tmpfs of the given size for one test; a test that needs it is skipped without the right to mount, but
// not in CI.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount tmpfs: %v (CI must run this test as root)", err)
		}
		t.Skipf("SKIPPED, a full disk was not tested: mount tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDiskRefusesWritesServesReadsAndRecovers(t *testing.T) {
	dir := mountSmall(t, "2m")
	s := openTest(t, Options{Dir: dir})
	put(t, s, "first", item{"before", 1})
	ballast := filepath.Join(dir, "ballast")
	fillDisk(t, ballast)

	var err error
	for i := 0; err == nil && i < 1000; i++ { // pages freed inside the file take the first ones
		err = s.Update(t.Context(), func(tx *Tx) error {
			return items.Put(tx, fmt.Sprintf("big%d", i), item{Name: strings.Repeat("x", 50000)})
		})
	}
	var u *UnavailableError
	if !errors.As(err, &u) || !errors.Is(err, ErrUnavailable) || !u.Full {
		t.Fatalf("write to a full disk: %v, want ErrUnavailable, full", err)
	}
	if v, err := get(t, s, "first"); err != nil || v.N != 1 {
		t.Errorf("read with a full disk: %v, %v", v, err)
	}
	if info := s.Info(); info.Writable || info.Degraded == "" || counterValue(t, s, "controlcenter_store_writable") != 0 {
		t.Errorf("Info = %+v", info)
	}
	n := count(t, s)
	// The state can be taken away even now, when there is no room for a copy beside it.
	var out strings.Builder
	if written, err := s.Backup(t.Context(), &out); err != nil || written != int64(out.Len()) || written == 0 {
		t.Errorf("Backup with a full disk: %d, %v", written, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping with room again: %v", err)
	}
	if info := s.Info(); !info.Writable || info.Degraded != "" {
		t.Errorf("Info after recovery = %+v", info)
	}
	put(t, s, "after", item{})
	if got := count(t, s); got != n+1 {
		t.Errorf("%d records, want %d: the refused update must have left nothing", got, n+1)
	}
}

func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 64 << 10; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}

func TestRunFindsOutThatTheDiskIsBack(t *testing.T) {
	dir := mountSmall(t, "2m")
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, Options{Dir: dir})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		ballast := filepath.Join(dir, "ballast")
		fillDisk(t, ballast)
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			err = s.Update(t.Context(), func(tx *Tx) error {
				return items.Put(tx, fmt.Sprintf("big%d", i), item{Name: strings.Repeat("x", 50000)})
			})
		}
		if !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryWrite + time.Second)
		synctest.Wait()
		if info := s.Info(); !info.Writable {
			t.Errorf("nobody noticed that the disk has room again: %+v", info)
		}
		cancel()
		<-done
	})
}

func TestStartOnAFullDiskKeepsReading(t *testing.T) {
	dir := mountSmall(t, "2m")
	s := openTest(t, Options{Dir: dir})
	put(t, s, "first", item{"kept", 1})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "ballast"))
	s = openTest(t, Options{Dir: dir})
	if v, err := get(t, s, "first"); err != nil || v.N != 1 {
		t.Errorf("read: %v, %v", v, err)
	}
}

func TestFirstStartOnAFullDiskSaysSo(t *testing.T) {
	dir := mountSmall(t, "1m")
	fillDisk(t, filepath.Join(dir, "ballast"))
	_, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Open = %v, want the directory and the reason", err)
	}
}

func TestReadOnlyFileSystemIsNamed(t *testing.T) {
	dir := mountSmall(t, "1m")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), dir) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("Open = %v, want the directory and read-only", err)
	}
}

func TestDirectoryOfAnotherUserIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	// The directory of TempDir is closed to others, so the child gets one that it can reach.
	dir, err := os.MkdirTemp("/tmp", "store-of-root")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "other")
	copyExecutable(t, exe)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE=hold", "STORE_TEST_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err == nil || !strings.Contains(string(out), dir) || !strings.Contains(string(out), "permission denied") {
		t.Errorf("%v: %s; want the directory and the reason", err, out)
	}
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHolderIsFoundInProcLocks(t *testing.T) {
	locks := []byte(`1: POSIX  ADVISORY  WRITE 11 fe:00:131 0 EOF
2: FLOCK  ADVISORY  WRITE 22 fe:00:132 0 EOF
2: -> FLOCK  ADVISORY  WRITE 23 fe:00:132 0 EOF
3: FLOCK  ADVISORY  WRITE 33 00:2a:132 0 EOF
4: FLOCK  ADVISORY  WRITE -1 fe:00:134 0 EOF
5: FLOCK
6: FLOCK  ADVISORY  WRITE 66 fe:00:136 0 EOF
`)
	for _, c := range []struct {
		device string
		inode  uint64
		want   int
	}{
		{"fe:00", 132, 22}, {"00:2a", 132, 33}, {"fe:00", 131, 0}, {"fe:00", 134, 0}, {"fe:00", 999, 0},
		{"00:99", 136, 66}, // btrfs and overlayfs show other devices
	} {
		if got := flockHolder(locks, c.device, c.inode); got != c.want {
			t.Errorf("holder of %s:%d = %d, want %d", c.device, c.inode, got, c.want)
		}
	}
}

func FuzzFlockHolder(f *testing.F) {
	f.Add([]byte("1: FLOCK  ADVISORY  WRITE 22 fe:00:132 0 EOF\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pid := flockHolder(b, "fe:00", 132); pid < 0 {
			t.Errorf("pid %d", pid)
		}
	})
}
