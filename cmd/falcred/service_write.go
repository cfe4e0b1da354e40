//go:build linux || darwin

package main

import (
	"errors"
	"os"
	"path/filepath"
)

// written is a file that install writes.
type written struct{ path, text string }

// write puts the files in place, and says whether that changed anything. A
// reader never sees half of one.
func (s *service) write(files ...written) (changed bool, err error) {
	for _, f := range files {
		if old, err := os.ReadFile(f.path); err == nil && string(old) == f.text {
			s.say("unchanged %s", f.path)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil { // #nosec G301 -- service managers read it; it holds no secret
			return changed, err
		}
		fresh := f.path + ".new"
		if err := os.WriteFile(fresh, []byte(f.text), 0o644); err != nil { // #nosec G306 -- a unit: service managers read it, and it holds no secret
			return changed, errors.Join(err, os.Remove(fresh))
		}
		if err := settle(fresh, f.path); err != nil {
			return changed, errors.Join(err, os.Remove(fresh))
		}
		s.say("wrote %s", f.path)
		changed = true
	}
	return changed, nil
}

// settle renames a file that has reached the disk: an empty unit after a power cut
// would be no unit.
func settle(fresh, path string) error {
	file, err := os.Open(fresh)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
