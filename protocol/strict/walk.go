//go:build unix || windows

package strict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
)

// maxLinks is the kernel's own bound.
const maxLinks = 40

// step is a folder or a link on a way.
type step struct {
	path string
	info fs.FileInfo
}

// walk lists the folders and links that a path leads through, from the root down.
// A file at its end is none of them. end is what stands there, nil where nothing of
// that name does.
func walk(path string) (steps []step, end fs.FileInfo, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, nil, err
	}
	at, rest := begin(path)
	if end, err = disk.Lstat(at); err != nil {
		return nil, nil, err
	}
	steps = append(steps, step{at, end})
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0]) // ".." too: no link is left in at
		rest = rest[1:]
		if end, err = disk.Lstat(next); err != nil {
			if len(rest) == 0 && errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return steps, nil, err
		}
		switch {
		case isLink(end):
			target, err := disk.Readlink(next)
			if err == nil && links == maxLinks {
				err = &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			if err != nil {
				return steps, nil, err
			}
			links++
			steps = append(steps, step{next, end})
			root, names := leads(at, target)
			if rest = append(names, rest...); root == "" {
				break
			}
			at = root
			if end, err = disk.Lstat(at); err != nil {
				return steps, nil, err
			}
			steps = append(steps, step{at, end})
		case end.IsDir():
			at, steps = next, append(steps, step{next, end})
		default:
			if len(rest) > 0 {
				err = &fs.PathError{Op: "open", Path: next, Err: syscall.ENOTDIR}
			}
			return steps, end, err
		}
	}
	return steps, end, nil
}

// begin is where an absolute path begins, and the names after that.
func begin(path string) (root string, names []string) {
	volume := filepath.VolumeName(path)
	return volume + string(filepath.Separator), parts(path[len(volume):])
}

// leads is where a link in the folder at leads: root is "" where that is in the folder itself.
func leads(at, target string) (root string, names []string) {
	root, names = begin(target)
	switch {
	case filepath.IsAbs(target):
	case target != "" && os.IsPathSeparator(target[0]): // of Windows, where that is the root of the link's own volume
		root, _ = begin(at)
	default:
		root = ""
	}
	return root, names
}

func parts(path string) []string {
	names := strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }) // #nosec G115 -- below 0x80
	return slices.DeleteFunc(names, func(name string) bool { return name == "." })
}

// examine judges the way to a folder, or to a file.
func examine(path string, to goal) ([]Problem, error) {
	steps, end, err := walk(path)
	switch {
	case err != nil:
	case end == nil && to != toFile:
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	case end != nil && to != toFile && !end.IsDir():
		return []Problem{{Path: path, Text: path + " is not a folder", Hint: "move it away"}}, nil
	case end != nil && to == toFile && end.IsDir():
		steps = steps[:len(steps)-1] // it is no file; the caller sees
	}
	own := -1 // the folder that has to be ours
	for i, s := range steps {
		if err == nil && s.info.IsDir() {
			own = i
		}
	}
	var problems []Problem
	for i, s := range steps {
		t := onTheWay(s, path)
		if i == own {
			t = holding(s, to == toHome)
		}
		if t != nil && !slices.ContainsFunc(problems, func(known Problem) bool { return known.Path == t.Path }) {
			problems = append(problems, *t)
		}
	}
	return problems, err
}

// Everybodys says whether everybody can put something else in place of a program, or
// write into it.
func Everybodys(path string) bool {
	steps, end, err := walk(path)
	if err != nil || end == nil {
		return true
	}
	steps = append(steps, step{path, end})
	for i, s := range steps {
		mode := s.info.Mode()
		if isLink(s.info) && !changeable(s.info) || mode.Perm()&0o002 == 0 {
			continue
		}
		if i+1 == len(steps) || mode&fs.ModeSticky == 0 || !trusted(steps[i+1].info) {
			return true
		}
	}
	return false
}

// Program is nil where nobody but we and root can write a program, or the folder that holds it,
// or put another one in its place. Behind links it is the program itself that counts, and its
// folder. Else it is a *[Problem], or why it could not be looked at.
func Program(path string) error {
	steps, end, err := walk(path)
	if err == nil && end == nil {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	}
	if err != nil {
		return err
	}
	for _, s := range steps {
		if t := onTheWay(s, path); t != nil && !t.Minor {
			return t
		}
	}
	// The folder, in which the sticky bit is of no use to a program, and the program.
	folders := slices.DeleteFunc(steps, func(s step) bool { return !s.info.IsDir() })
	for _, s := range []step{folders[len(folders)-1], {path, end}} {
		switch {
		case !trusted(s.info):
			return &Problem{Path: s.path, Text: s.path + " belongs to another user", Hint: "install it where only you and root can write"}
		case s.info.Mode().Perm()&0o022 != 0 && !ourGroups(s):
			return &Problem{Path: s.path, Text: s.path + " can be written by others", Hint: Withdraw("go", s.path)}
		}
	}
	return nil
}

// holding judges the folder itself. A home is ours alone, by its mode.
func holding(s step, home bool) *Problem {
	switch {
	case !Ours(s.info):
		return &Problem{Path: s.path, Text: s.path + " belongs to another user", Hint: "run falcred as that user, or choose a folder of your own"}
	case s.info.Mode().Perm()&0o022 == 0:
		return nil
	case !home && ourGroups(s):
		return groups(s)
	}
	return &Problem{Path: s.path, Text: s.path + " can be written by others", Hint: Withdraw("go", s.path)}
}

// onTheWay judges a folder above, or a link.
func onTheWay(s step, path string) *Problem {
	mode := s.info.Mode()
	switch {
	case !trusted(s.info):
		return &Problem{
			Path: s.path,
			Text: fmt.Sprintf("%s belongs to another user, who could put something else in place of %s", s.path, path),
			Hint: "run falcred as that user, or choose a place below folders of your own and root's",
		}
	case !mode.IsDir() && !changeable(s.info), mode.IsDir() && (mode&fs.ModeSticky != 0 || mode.Perm()&0o022 == 0):
		return nil
	case ourGroups(s):
		return groups(s)
	}
	t := &Problem{
		Path: s.path,
		Text: fmt.Sprintf("%s can be written by others, who could put something else in place of %s", s.path, path),
		Hint: Withdraw("go", s.path),
	}
	if mode.Perm()&0o002 == 0 {
		t.Hint = Withdraw("g", s.path)
	}
	if !Ours(s.info) {
		t.Hint = "have root do: " + t.Hint
	}
	t.Hint += "; or choose a place below other folders"
	return t
}

func groups(s step) *Problem {
	return &Problem{
		Path: s.path, Minor: true,
		Text: s.path + " can be written by its group, in which nobody is but you or root",
		Hint: "nothing has to be done; to be strict: " + Withdraw("g", s.path),
	}
}
