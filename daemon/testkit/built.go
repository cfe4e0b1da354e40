package testkit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// BuiltVariable names a folder with the programs that [Build] would make, each at its package's
// path in the module: tests of Windows run in wine, where there is no Go.
const BuiltVariable = "TESTS_BUILT"

// installBuilt takes the arguments that begin with a dot for packages.
func installBuilt(built, folder, out string, args []string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, arg := range args {
		if !strings.HasPrefix(arg, ".") {
			continue
		}
		dir, err := filepath.Abs(filepath.Join(folder, arg))
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		to := out
		if strings.HasSuffix(out, "/") {
			to = filepath.Join(out, filepath.Base(dir)+Exe)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), Install(filepath.Join(built, path+Exe), to)); err != nil {
			return err
		}
	}
	return nil
}

// moduleRoot is the folder of go.mod, at or above the working folder.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fs.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
