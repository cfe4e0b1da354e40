//go:build !windows

package doctor

import (
	"fmt"
	"io/fs"
)

// modeText is what a finding says of a file's mode.
func modeText(mode fs.FileMode) string { return fmt.Sprintf(", mode %04o", mode.Perm()) }

// open says that others may read a file of that mode.
func open(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }
