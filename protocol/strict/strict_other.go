//go:build !unix && !windows

package strict

import (
	"io/fs"

	"github.com/falcred/falcred/protocol/disk"
)

// Of these systems nothing is known, and nothing serves there.
const (
	nonblock = 0
	noFollow = 0
)

// Ours is always true: see noFollow.
func Ours(fs.FileInfo) bool { return true }

func examine(path string, to goal) ([]Problem, error) {
	if to == toFile {
		return nil, nil
	}
	info, err := disk.Stat(path)
	if err == nil && !info.IsDir() {
		return []Problem{{Path: path, Text: path + " is not a folder", Hint: "move it away"}}, nil
	}
	return nil, err
}

// OwnerMask does nothing: there is no umask here.
func OwnerMask() {}

// Everybodys is not asked: see noFollow.
func Everybodys(string) bool { return false }

// Program is not asked: see noFollow.
func Program(string) error { return nil }
