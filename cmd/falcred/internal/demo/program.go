package demo

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/falcred/falcred/protocol/strict"
)

// findPrograms is the folder for PATH in which this very program is: "go run" builds it in one of its own,
// and the PATH of another terminal may not have it either. It is "" where there is none to name.
func (p *playground) findPrograms() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	name := "falcred"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	switch {
	case !passing(self) && filepath.Base(self) == name:
		return filepath.Dir(self), nil
	case !passing(self) || !nobodyElses(p.home.path):
		return "", nil
	}
	folder := filepath.Join(p.home.path, "bin")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	return folder, copyProgram(self, filepath.Join(folder, name))
}

// passing says whether a program is in a folder that goes away, or whose name others can take then: PATH
// of another terminal, which outlives it, must not name it.
func passing(program string) bool {
	program, err := filepath.EvalSymlinks(program)
	if err != nil || strict.Everybodys(program) {
		return true
	}
	temporary, _ := filepath.EvalSymlinks(os.TempDir())
	for folder := filepath.Dir(program); ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil || folder == temporary || info.Mode()&fs.ModeSticky != 0 {
			return true
		}
		if folder == filepath.Dir(folder) {
			return false
		}
	}
}

func copyProgram(from, to string) error {
	source, err := os.Open(from) // #nosec G304 -- this very program
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700) // #nosec G302 G304 -- a program, in our home
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
