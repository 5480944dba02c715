package private

import "os"

const noFollow = 0

func isLink(error) bool { return false }

func checkDir(string, os.FileInfo) error { return nil }

func checkFile(string, *os.File, os.FileInfo) error { return nil }
