// Package strict answers one question about a path of ours: can somebody else put
// something of his in its place? sshd asks it of authorized_keys and calls it
// StrictModes.
//
// Nobody can where every folder on the way, and on the way of each link in it,
// belongs to us or to root, and nobody else can write it. Where the sticky bit is
// set (/tmp) others may write: what is ours stays there. The folder that holds the
// file has to be our own, and the sticky bit does not help it.
//
// What a folder holds is changed only by those who can write it. So an answer that
// was found from the root down stays true until we or root change a mode, and what
// the same path opens right afterwards is what was examined. Modes do change:
// ask before each use.
//
// It looks at folders and files through protocol/disk. The tables in /etc and /proc that say
// who a group is are the system's own.
//
// Not seen: ACLs of macOS and NFSv4 (those of POSIX show in a mode's group bits),
// and what the server or another client of a network file system may do.
package strict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/protocol/disk"
)

// Problem is a file or folder at which somebody else could put something of his, or that is
// not what it should be.
type Problem struct {
	Path string // the very folder, link or file
	Text string // what is wrong with it
	Hint string // what to do about it
	// Minor: only a group can write it in which nobody is but us or root. A umask of 002
	// makes such folders where each user has a group (Debian, Fedora).
	Minor bool
}

// Error is the text and the hint, in one line.
func (t *Problem) Error() string { return t.Text + ": " + t.Hint }

// As is the problem that an error is, or nil.
func As(err error) *Problem {
	var t *Problem
	errors.As(err, &t)
	return t
}

// Folder is for a home and a socket's folder. It is nil where the folder is ours
// and of a mode that lets nobody else write, our own group neither, and nobody can
// put another one in its place. Else it is a *Problem, or why it could not be looked
// at: fs.ErrNotExist where it is not there, and nobody else can put one there.
func Folder(path string) error {
	problems, err := Examine(path)
	return first(problems, err)
}

// File is for a file, behind the links that may lead to it: nobody else can put
// another one in its place. It need not be there.
func File(path string) error {
	problems, err := examine(path, toFile)
	return first(problems, err)
}

// Examine lists all that is wrong with a folder for Folder, from the root down.
func Examine(path string) ([]Problem, error) { return examine(path, toHome) }

// goal is what stands at the end of a way.
type goal int

const (
	toHome   goal = iota // a folder that is strictly ours
	toFolder             // a folder, which our own group may write
	toFile               // a file, in such a folder
)

func first(problems []Problem, err error) error {
	for _, t := range problems {
		if !t.Minor {
			return &t
		}
	}
	return err
}

// Open opens a file that is ours: regular, our own, by no link at its end, in a
// folder where nobody else can put another one in its place.
func Open(path string, flag int, perm fs.FileMode) (disk.File, error) {
	if err := first(examine(filepath.Dir(path), toFolder)); err != nil {
		return nil, err
	}
	file, err := disk.OpenFile(path, flag|noFollow, perm) // #nosec G304 -- the point of this function
	if errors.Is(err, fs.ErrPermission) && regain(path) == nil {
		file, err = disk.OpenFile(path, flag|noFollow, perm) // #nosec G304 -- the same
	}
	if err != nil {
		return nil, NoLink(path, err)
	}
	if err := Own(path, file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// OpenAny opens a regular file to be read, behind links and whoever's it is. Nothing else of
// that name is opened, nor waited for: a FIFO, a device, a folder.
func OpenAny(path string) (disk.File, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY|nonblock, 0) // #nosec G304 -- the point of this function
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(err, &Problem{Path: path, Text: path + " is not a regular file", Hint: "move it away"})
	}
	return file, nil
}

// NoLink makes a problem of the error that a link gives where none is followed: the
// kernel's own word, "too many levels of symbolic links", helps nobody.
func NoLink(path string, err error) error {
	if info, lookErr := disk.Lstat(path); lookErr == nil && info.Mode().Type() == fs.ModeSymlink {
		return &Problem{Path: path, Text: path + " is a link, and is not followed", Hint: "remove the link, or put the file itself there"}
	}
	return err
}

// Own is nil where a file that is open is a regular one of ours, and a *[Problem] where it
// is not. path is for its text.
func Own(path string, file interface{ Stat() (fs.FileInfo, error) }) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !Ours(info):
		return &Problem{Path: path, Text: path + " belongs to another user", Hint: "leave it where it is; set FAL_HOME_DIR to a folder of your own, or run falcred as that user"}
	case !info.Mode().IsRegular():
		return &Problem{Path: path, Text: path + " is not a regular file of yours", Hint: "move it away"}
	}
	return nil
}
