//go:build linux || darwin

package service

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/protocol/strict"
)

// written is a file that install writes.
type written struct {
	path, text string
	mode       fs.FileMode
}

// write puts the files in place, and says whether that changed anything. A
// reader never sees half of one.
func (s *Service) write(files ...written) (changed bool, err error) {
	for _, f := range files {
		if f.there() {
			s.say("unchanged %s", f.path)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil { // #nosec G301 -- service managers read it; it holds no secret
			return changed, err
		}
		if err := settle(f); err != nil {
			return changed, err
		}
		s.say("wrote %s", f.path)
		changed = true
	}
	return changed, nil
}

// there says whether it is in place already. What else may have that name holds nobody up.
func (f written) there() bool {
	file, err := strict.OpenAny(f.path)
	if err != nil {
		return false
	}
	defer file.Close()
	old, err := io.ReadAll(io.LimitReader(file, int64(len(f.text))+1))
	return err == nil && string(old) == f.text
}

// settle renames a file that has reached the disk: an empty unit after a power cut
// would be no unit. The file is new, so that no link or file of that name is written.
func settle(f written) error {
	file, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.new")
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(f.text)
	if err == nil {
		err = file.Chmod(f.mode) // service managers read it, and it holds no secret
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// unlink removes what install wrote.
func (s *Service) unlink(paths ...string) error {
	for _, path := range paths {
		switch err := os.Remove(path); {
		case err == nil:
			s.say("removed %s", path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// exists says that something has that name.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
