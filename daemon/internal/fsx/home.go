package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// MakeHome makes sure that there is a home and that it is ours, or refuses it: a
// `sudo falcred` must not leave root's files in a user's home. The error is a
// *[strict.Problem] where somebody else could put something of his there.
func MakeHome(home string) error {
	err := strict.Folder(home)
	if errors.Is(err, fs.ErrNotExist) {
		if err = MakeFolder(home); err == nil {
			err = strict.Folder(home) // in /tmp somebody else can be faster
		}
	}
	return err
}

// MakeFolder makes a folder of ours, and those above it, where there is none. They are on the
// disk when it returns, where the folder above can be read: what is fsynced in a folder whose
// own name is not would be lost with that.
func MakeFolder(path string) error {
	if err := CheckPlace(path); err != nil {
		return err
	}
	var above []string // each in which a name is made
	for at := path; !IsFolder(at) && at != filepath.Dir(at); at = filepath.Dir(at) {
		above = append(above, filepath.Dir(at))
	}
	if err := disk.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, folder := range above {
		SyncFolder(folder)
	}
	return nil
}

// CheckPlace is why nothing may be made at path: what is there, or the nearest folder
// above that is, belongs to another user. Folders in which everybody may make files, such as
// /tmp, are no reason. The second line of the error says what to do.
func CheckPlace(path string) error {
	for ; ; path = filepath.Dir(path) {
		info, err := disk.Stat(path)
		switch {
		case err == nil && !strict.Ours(info) && info.Mode()&fs.ModeSticky == 0:
			return fmt.Errorf("%s belongs to another user\nrun falcred as that user", path)
		case err == nil && info.IsDir(), path == filepath.Dir(path):
			return nil
		}
	}
}
