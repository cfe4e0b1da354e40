//go:build linux && system

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tmpfs mounts a small filesystem over the home, before there is anything in
// it. The options are tmpfs's, as "size=16k".
func (s *scene) tmpfs(options string) {
	s.Helper()
	s.socketOutside()
	if err := unix.Mount("faults", s.Home, "tmpfs", 0, "mode=0700,"+options); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { unix.Unmount(s.Home, unix.MNT_DETACH) })
}

// remount changes the filesystem's size.
func (s *scene) remount(options string) {
	s.Helper()
	if err := unix.Mount("faults", s.Home, "", unix.MS_REMOUNT, "mode=0700,"+options); err != nil {
		s.Fatal(err)
	}
}

// readOnly makes the home's filesystem read-only, or writable again.
func (s *scene) readOnly(on bool) {
	s.Helper()
	flags := uintptr(unix.MS_REMOUNT)
	if on {
		flags |= unix.MS_RDONLY
	}
	// A file that is being closed may keep it writable for a moment.
	s.Eventually("the home is remounted", func() bool { return unix.Mount("faults", s.Home, "", flags, "mode=0700") == nil })
}

// fill takes the last byte of the home's filesystem, and returns what gives
// the space back.
func (s *scene) fill() (empty func()) {
	s.Helper()
	filler, err := os.OpenFile(filepath.Join(s.Home, "filler"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.Fatal(err)
	}
	defer filler.Close()
	chunk := make([]byte, 4096)
	for err == nil {
		_, err = filler.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		s.Fatal(err)
	}
	return func() {
		if err := os.Remove(filler.Name()); err != nil {
			s.Fatal(err)
		}
	}
}

// fillInodes takes the last inode of the home's filesystem.
func (s *scene) fillInodes() (empty func()) {
	s.Helper()
	var names []string
	for {
		name := filepath.Join(s.Home, fmt.Sprint("filler", len(names)))
		err := os.WriteFile(name, nil, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			s.Fatal(err)
		}
		names = append(names, name)
	}
	return func() {
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				s.Fatal(err)
			}
		}
	}
}
