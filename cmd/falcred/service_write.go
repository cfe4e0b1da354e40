//go:build linux || darwin

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/protocol/strict"
)

// written is a file that install writes.
type written struct{ path, text string }

// write puts the files in place, and says whether that changed anything. A
// reader never sees half of one.
func (s *service) write(files ...written) (changed bool, err error) {
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
		err = file.Chmod(0o644) // a unit: service managers read it, and it holds no secret
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
