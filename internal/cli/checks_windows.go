package cli

import "os"

// checkDescriptors: Windows bounds handles by memory only.
func checkDescriptors() checkResult {
	return verdict("file descriptors", checkInfo, "no limit on this platform")
}

// checkPermissions: the profile's access list keeps others out; there are no mode bits to judge.
func checkPermissions(dir string, _ os.FileInfo) checkResult {
	return verdict("permissions", checkInfo, "%s: as its folder's access list says", dir)
}
