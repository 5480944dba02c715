//go:build unix

package cli

import (
	"fmt"
	"io/fs"
)

// checkPrivate refuses a file with keys that others may read.
func checkPrivate(path string, st fs.FileInfo) error {
	if st.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it", path, st.Mode().Perm())
	}
	return nil
}
