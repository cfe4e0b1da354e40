package fsx

import (
	"errors"
	"io/fs"
	"os"

	"github.com/falcred/falcred/protocol/disk"
)

// Nonblock is nothing on Windows, which has no FIFOs in folders.
const Nonblock = 0

// NoFollow has an opening fail where a link stands.
const NoFollow = disk.NoFollow

// HardLinks is how many names the file has, 1 where that is not known.
func HardLinks(info fs.FileInfo) uint64 {
	if known, ok := info.Sys().(*disk.Security); ok {
		return uint64(known.Links)
	}
	return 1
}

// heldByReaders says that what is [irreplaceable] is that since somebody has it open.
const heldByReaders = true

// irreplaceable is why nothing can be renamed over a file, by the error of that, "" where
// it is something else.
func irreplaceable(err error) string {
	if disk.Held(err) {
		return "another program keeps it open, so that nobody can replace it"
	}
	return ""
}

// Tighten takes the rights of all others to a file of ours, which is open. It may have to be
// opened anew for that: go on with what is returned.
//
// It does that at a moment when nobody else has the file open: who opened it before can read
// it for as long as he likes, so what others can read is never written in place ([WhyInPlace]).
func Tighten(path string, file disk.File) (same disk.File, done bool, err error) {
	was, err := file.Stat()
	if err != nil {
		return file, false, err
	}
	closed := file
	file.Close()
	file, err = disk.OpenFile(path, os.O_RDONLY|disk.Alone, 0)
	if err == nil {
		done = true
	} else if file, err = disk.OpenFile(path, os.O_RDONLY, 0); err != nil {
		return closed, false, err
	}
	if is, err := file.Stat(); err != nil || !disk.SameFile(was, is) {
		return file, false, errors.Join(err, errReplaced)
	}
	return file, done && file.Chmod(0o600) == nil, nil
}

var errReplaced = errors.New("it was replaced at this very moment")

// ignoreUnsupported: no folder can be fsynced here. What a power cut may undo of a rename is
// healed as on other systems: the journal's entry is there until the token file is.
func ignoreUnsupported(error) error { return nil }
