package doctor

import "io/fs"

// closing is what a person does so that nobody else reads a file.
const closing = "see its rights: icacls "

// modeText is "": a mode is package disk's way to say what an ACL lets others do.
func modeText(fs.FileMode) string { return "" }
