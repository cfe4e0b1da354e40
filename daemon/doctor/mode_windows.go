package doctor

import "io/fs"

// modeText is "": Go makes modes up on Windows, of the one bit that says read-only.
func modeText(fs.FileMode) string { return "" }

// open is false: who may read a file stands in its ACL, and package strict has looked at that.
func open(fs.FileMode) bool { return false }
