// Package private makes folders and opens files that only the user of this process may read or write, and refuses those that
// somebody else could have laid in their place.
package private

import (
	"errors"
	"fmt"
	"os"
)

// ErrUnsafe is what a file or folder is refused with because another user owns it, can change it, or has put a link there.
var ErrUnsafe = errors.New("other users could have changed it")

// Dir makes the folder and its parents with mode 0700 where they are missing. A folder that is there is taken as it is if it
// belongs to this user, or to root, and no other user can replace files in it; its group may (a user's own group is the common
// case, and files are never opened through a link). Errors: [ErrUnsafe], those of the file system. On Windows the access list
// that the folder inherits guards it, and nothing is checked.
func Dir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err //nolint:wrapcheck // names the path
	}
	st, err := os.Stat(path) // the owner may have moved it elsewhere by a link
	if err != nil {
		return err //nolint:wrapcheck // names the path
	}
	return checkDir(path, st)
}

// Open opens a file for which mode 0600 is enough, and makes it with that mode if flags say so. It follows no link as the last
// part of the path, and refuses what is no regular file or belongs to another user. Errors: [ErrUnsafe], those of the file
// system.
func Open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|noFollow, 0o600)
	if err != nil {
		if isLink(err) {
			return nil, unsafe(path, "it is a symbolic link")
		}
		return nil, err //nolint:wrapcheck // names the path
	}
	st, err := f.Stat()
	if err == nil {
		err = checkFile(path, f, st)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func unsafe(path, why string) error {
	return &os.PathError{Op: "use", Path: path, Err: fmt.Errorf("%w: %s", ErrUnsafe, why)}
}
