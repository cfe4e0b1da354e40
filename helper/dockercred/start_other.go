//go:build !unix && !windows

package dockercred

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// Nothing is started here, where nothing serves.
const (
	readiness = time.Second
	program   = "falcred"
)

var systemVariables []string

func foldVariable(name string) string { return name }

func executable(fs.FileInfo) bool { return false }

func startDetached(string, *os.ProcAttr) (*os.Process, error) { return nil, errors.ErrUnsupported }

func exposed(fs.FileInfo) bool { return false }
