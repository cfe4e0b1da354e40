//go:build linux

package drive

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	maxLinks = 40  // as Linux has it
	maxName  = 255 // in bytes
)

// spot is where a path leads: a name in a folder. node is nil where nothing has that name.
type spot struct {
	folder *inode
	name   string
	node   *inode
	linked bool // links led there
}

// find looks a path up; follow says that a link at its end is followed.
func (d *Drive) find(path string, follow bool) (spot, syscall.Errno) {
	end := strings.LastIndexByte(path, '/')
	if end > 0 && d.last.shape == d.shape && d.last.folder == path[:end] {
		name := path[end+1:]
		if n := d.last.node.entries[name]; n != nil && !(follow && n.isLink()) || n == nil && plain(name) {
			return spot{folder: d.last.node, name: name, node: n}, 0
		}
	}
	at, direct, errno := d.walk(path, follow)
	if direct && errno == 0 && end > 0 {
		d.last = cached{path[:end], at.folder, d.shape}
	}
	return at, errno
}

// plain says that a name is one that a file can have.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName
}

// walk goes down a path from the root, which is the working directory too. direct says that
// it met names alone, so that what stands before the last one is that folder's path.
func (d *Drive) walk(path string, follow bool) (at spot, direct bool, errno syscall.Errno) {
	if path == "" {
		return at, false, syscall.ENOENT
	}
	folder, rest, links := d.root, path, 0
	direct = path[0] == '/'
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" { // "/", or a folder's name with a slash after it
			return spot{folder.parent, folder.name, folder, links > 0}, false, 0
		}
		name, after, slash := strings.Cut(rest, "/")
		if !d.may(folder, 1) {
			return at, false, syscall.EACCES
		}
		if !plain(name) {
			if direct = false; name == ".." {
				folder = folder.parent
			} else if name != "." {
				return at, false, syscall.ENAMETOOLONG
			}
			rest = after
			continue
		}
		node, last := folder.entries[name], strings.TrimLeft(after, "/") == ""
		switch {
		case node == nil && last:
			return spot{folder, name, nil, links > 0}, direct && !slash, 0
		case node == nil:
			return at, false, syscall.ENOENT
		case node.isLink() && (!last || follow || slash):
			if links++; links > maxLinks {
				return at, false, syscall.ELOOP
			}
			if direct = false; node.target[0] == '/' {
				folder = d.root
			}
			if rest = node.target; slash {
				rest += "/" + after
			}
			continue
		case last && !slash:
			return spot{folder, name, node, links > 0}, direct, 0
		case node.entries == nil:
			return at, false, syscall.ENOTDIR
		}
		folder, rest = node, after
	}
}

// known is find where there has to be something.
func (d *Drive) known(path string, follow bool) (spot, syscall.Errno) {
	at, errno := d.find(path, follow)
	if errno == 0 && at.node == nil {
		errno = syscall.ENOENT
	}
	return at, errno
}

// base is the last name in a path, as package os finds it.
func base(path string) string {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 && len(path) > 1 {
		return path[i+1:]
	}
	return path
}

// Lstat is os.Lstat.
func (d *Drive) Lstat(path string) (fs.FileInfo, error) { return d.look(Lstat, path) }

// Stat is os.Stat.
func (d *Drive) Stat(path string) (fs.FileInfo, error) { return d.look(Stat, path) }

func (d *Drive) look(kind Kind, path string) (fs.FileInfo, error) {
	if err := d.ask(kind, path, 0); err != nil {
		return nil, failed(kinds[kind], path, err)
	}
	at, errno := d.known(path, kind == Stat)
	if errno != 0 {
		return nil, failed(kinds[kind], path, errno)
	}
	return at.node.describe(base(path)), nil
}

// Readlink is os.Readlink.
func (d *Drive) Readlink(path string) (string, error) {
	if err := d.ask(Readlink, path, 0); err != nil {
		return "", failed("readlink", path, err)
	}
	at, errno := d.known(path, false)
	if errno == 0 && !at.node.isLink() {
		errno = syscall.EINVAL
	}
	if errno != 0 {
		return "", failed("readlink", path, errno)
	}
	return at.node.target, nil
}

// EvalSymlinks is filepath.EvalSymlinks.
func (d *Drive) EvalSymlinks(path string) (string, error) {
	if err := d.ask(Stat, path, 0); err != nil {
		return "", failed("lstat", path, err)
	}
	if at, errno := d.known(path, true); errno == 0 && !at.linked {
		return filepath.Clean(path), nil
	}
	return d.evaluate(path)
}

// evaluate goes link by link.
func (d *Drive) evaluate(path string) (string, error) {
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		if rest = rest[1:]; name == "" || name == "." {
			continue
		}
		next := filepath.Join(at, name)
		found, errno := d.known(next, false)
		switch {
		case errno != 0:
			return "", failed("lstat", next, errno)
		case found.node.isLink():
			if links++; links > 255 {
				return "", errors.New("EvalSymlinks: too many links")
			}
			if found.node.target[0] == '/' {
				at = "/"
			}
			rest = append(strings.Split(found.node.target, "/"), rest...)
			continue
		case found.node.entries == nil && len(rest) > 0:
			return "", syscall.ENOTDIR
		}
		at = next
	}
	return at, nil
}

// SameFile is [os.SameFile] for what a Drive has told.
func (d *Drive) SameFile(a, b fs.FileInfo) bool {
	one, first := a.(*info)
	two, second := b.(*info)
	return first && second && one.stat.Ino == two.stat.Ino
}
