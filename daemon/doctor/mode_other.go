//go:build !windows

package doctor

import (
	"fmt"
	"io/fs"
)

// closing is what a person does so that nobody else reads a file.
const closing = "chmod 600 "

// modeText is what a finding says of a file's mode.
func modeText(mode fs.FileMode) string { return fmt.Sprintf(", mode %04o", mode.Perm()) }
