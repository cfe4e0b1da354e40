//go:build !unix && !windows

package local

import (
	"errors"
	"os"
)

// Conn is never made here.
type Conn = os.File

// Dial is not for this system.
func Dial(path string) (*Conn, error) {
	return nil, &os.PathError{Op: "connect", Path: path, Err: errors.ErrUnsupported}
}
