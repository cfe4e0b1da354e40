//go:build linux || darwin

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/protocol/strict"
	"github.com/kardianos/service"
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

// installed has kardianos install a file that is new, and write it once more: theirs may not have
// reached the disk.
func (s *Service) installed(ctx context.Context, f written, theirs service.Service) error {
	if err := bounded(ctx, theirs.Install); err != nil {
		return fmt.Errorf("%s cannot be installed: %w", f.path, err)
	}
	s.say("wrote %s", f.path)
	return settle(f)
}

// there says whether it is in place already. What else may have that name holds nobody up.
func (f written) there() bool {
	file, err := strict.OpenAny(f.path)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || f.mode&0o111 != 0 && info.Mode().Perm() != f.mode { // a script that nobody can start
		return false
	}
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
