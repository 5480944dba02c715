package kb

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// pageOut asks the system to take back the pages of files below a folder that this process has mapped. It changes nothing but where
// they are: should a mapping be another one by the time it is asked for, that is no harm.
func pageOut(dir string) error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer func() { _ = maps.Close() }()
	var first error
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // 7f00-7f80 r--s 00000000 08:01 17 /path
		if len(f) < 6 || !strings.HasPrefix(strings.Join(f[5:], " "), dir+"/") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(f[0], "%x-%x", &from, &to); err != nil || to <= from {
			continue
		}
		if _, _, no := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_PAGEOUT); no != 0 && first == nil {
			first = fmt.Errorf("%s: %w", f[5], no) // older than Linux 5.4, or the end of the mapping is beyond that of the file
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return first
}
