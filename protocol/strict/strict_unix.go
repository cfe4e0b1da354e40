//go:build unix

package strict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
)

// With nonblock no FIFO or device of that name holds us; with noFollow no link leads elsewhere
// either.
const (
	nonblock = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW | nonblock
)

// OwnerMask has this process keep its own rights to all that it makes from now on, whatever
// the umask: 777 would have it make files that it cannot open again. What the umask takes
// from others stays taken.
func OwnerMask() { syscall.Umask(syscall.Umask(0o077) &^ 0o700) }

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
	at, rest := "/", parts(path)
	if end, err = disk.Lstat(at); err != nil {
		return nil, nil, err
	}
	root := step{at, end}
	steps = append(steps, root)
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0]) // ".." too: no link is left in at
		rest = rest[1:]
		if end, err = disk.Lstat(next); err != nil {
			if len(rest) == 0 && errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return steps, nil, err
		}
		switch end.Mode().Type() {
		case fs.ModeSymlink:
			target, err := disk.Readlink(next)
			if err == nil && links == maxLinks {
				err = &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
			}
			if err != nil {
				return steps, nil, err
			}
			links++
			steps = append(steps, step{next, end})
			if filepath.IsAbs(target) {
				at, steps = "/", append(steps, root)
			}
			rest = append(parts(target), rest...)
		case fs.ModeDir:
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

func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
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
		if mode.Type() == fs.ModeSymlink || mode.Perm()&0o002 == 0 {
			continue
		}
		if i+1 == len(steps) || mode&fs.ModeSticky == 0 || !trusted(steps[i+1].info) {
			return true
		}
	}
	return false
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
	return &Problem{Path: s.path, Text: s.path + " can be written by others", Hint: "chmod go-w " + s.path}
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
	case !mode.IsDir() || mode&fs.ModeSticky != 0 || mode.Perm()&0o022 == 0:
		return nil
	case ourGroups(s):
		return groups(s)
	}
	t := &Problem{
		Path: s.path,
		Text: fmt.Sprintf("%s can be written by others, who could put something else in place of %s", s.path, path),
		Hint: "chmod go-w " + s.path,
	}
	if mode.Perm()&0o002 == 0 {
		t.Hint = "chmod g-w " + s.path
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
		Hint: "nothing has to be done; to be strict: chmod g-w " + s.path,
	}
}

// euid is our effective user, who stays the same: nothing here is setuid.
var euid = os.Geteuid()

// Ours says whether a file or folder belongs to our effective user.
func Ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == euid
}

// overflow is the number that Linux gives to all who have none in our user
// namespace: root outside of it above all, who owns what is mounted into it.
const overflow = 65534

// trusted are we and root.
func trusted(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == euid || stat.Uid == overflow && !numbered("/proc/self/uid_map", overflow))
}

// numbered says whether a user has a number of his own in our user namespace, as
// everybody has outside of one. In doubt he has.
func numbered(table string, uid uint64) bool {
	data, err := os.ReadFile(table) // #nosec G304 -- under /proc, and tests'
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(data)) {
		var inside, outside, count uint64 // user_namespaces(7)
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || inside <= uid && uid-inside < count {
			return true
		}
	}
	return false
}

// ourGroups says whether a folder can be written by its group only, and that is ours
// alone, or root's: its number is the user's, and the system's own tables know no
// other member. A directory service may. With an ACL the mode's group bits are no
// group's, but the most that anybody named in it can have.
func ourGroups(s step) bool {
	stat, ok := s.info.Sys().(*syscall.Stat_t)
	return ok && s.info.Mode().Perm()&0o002 == 0 && (int(stat.Gid) == euid || stat.Gid == 0) && !hasACL(s.path) &&
		alone("/etc/passwd", "/etc/group", strconv.FormatUint(uint64(stat.Gid), 10))
}

func alone(passwd, group, id string) bool {
	var names []string
	for _, user := range table(passwd, 4) { // name:password:uid:gid
		switch {
		case user[2] == id:
			names = append(names, user[0])
		case user[3] == id:
			return false
		}
	}
	for _, g := range table(group, 4) { // name:password:gid:members
		for member := range strings.SplitSeq(g[3], ",") {
			if g[2] == id && member != "" && !slices.Contains(names, member) {
				return false
			}
		}
	}
	return true
}

// table reads passwd(5) and its like; a system without has no other users.
func table(path string, least int) (rows [][]string) {
	data, _ := os.ReadFile(path) // #nosec G304 -- under /etc, and tests'
	for line := range strings.Lines(string(data)) {
		if row := strings.Split(strings.TrimSpace(line), ":"); len(row) >= least {
			rows = append(rows, row)
		}
	}
	return rows
}
