//go:build linux || darwin

package socket

import (
	"errors"
	"io/fs"
	"os"
)

// bound is the socket's own file.
type bound = fs.FileInfo

// ours says whether the path leads to us.
func (s *Socket) ours() (bool, error) {
	if s.bound == nil {
		return false, errUnbound
	}
	now, err := os.Lstat(s.path)
	return err == nil && os.SameFile(now, s.bound), err
}

var errUnbound = errors.New("what it is bound to is not known")
