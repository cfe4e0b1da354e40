//go:build linux || darwin

package main

import (
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
			return changed, err
		}
		if err := os.Rename(fresh, f.path); err != nil {
			return changed, err
		}
		s.say("wrote %s", f.path)
		changed = true
	}
	return changed, nil
}
