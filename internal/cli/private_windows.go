package cli

import "io/fs"

// private cannot judge access lists; the user's folders are the user's.
func private(string, fs.FileInfo) error { return nil }
