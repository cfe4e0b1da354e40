//go:build linux

package drive

import (
	"bytes"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// inode is a file, folder or link, whatever names it has.
type inode struct {
	number   uint64
	mode     fs.FileMode
	uid, gid uint32
	links    int
	modified time.Time
	info     *info // as it was asked for last; nil where something has changed since

	// of a file
	now   content
	top   int       // how much of now's array is used, by it or an older content
	safe  content   // what was fsynced
	since []content // older than now, and newer than safe
	dirty bool      // now is not safe
	lock  *file     // who has it locked

	// of a folder
	entries map[string]*inode
	parent  *inode
	name    string

	target string // of a link
}

func (n *inode) isLink() bool { return n.mode&fs.ModeSymlink != 0 }

func (n *inode) path() string {
	if n.parent == n {
		return ""
	}
	return n.parent.path() + "/" + n.name
}

// content is what a file holds at some time. Its bytes never change: what is appended goes behind
// them, and what is written over them goes to another array. So to keep one costs nothing.
type content struct {
	data []byte
	size int // zeros follow data up to here
}

const maxSince = 32

// become gives a file another content, which is not safe yet. A system brings to the disk by
// itself what has waited for long.
func (n *inode) become(c content, at time.Time) {
	if n.dirty {
		n.since = append(n.since, n.now)
	}
	if len(n.since) > maxSince {
		n.secure()
	}
	n.now, n.dirty, n.modified, n.info = c, true, at, nil
}

// secure is the fsync of a file.
func (n *inode) secure() { n.safe, n.since, n.dirty = n.now, n.since[:0], false }

func (n *inode) write(p []byte, offset int, at time.Time) {
	c, end := n.now, offset+len(p)
	c.size = max(c.size, end)
	if offset < len(c.data) || !zeros(p) {
		if from := min(offset, len(c.data)); from < n.top { // those bytes belong to an older content
			c.data = append(make([]byte, 0, max(end, len(c.data))), c.data...)
		}
		if end > len(c.data) {
			used := len(c.data)
			c.data = append(c.data, make([]byte, end-used)...)
		}
		copy(c.data[offset:], p)
		n.top = len(c.data)
	}
	n.become(c, at)
}

func (n *inode) truncate(size int, at time.Time) {
	c := n.now
	c.data, c.size = c.data[:min(size, len(c.data))], size
	n.become(c, at)
}

var blank [4096]byte

func zeros(p []byte) bool {
	for part := range slices.Chunk(p, len(blank)) {
		if !bytes.Equal(part, blank[:len(part)]) {
			return false
		}
	}
	return true
}

// read copies what stands at offset.
func (c content) read(p []byte, offset int) int {
	if offset >= c.size {
		return 0
	}
	n := min(len(p), c.size-offset)
	got := 0
	if offset < len(c.data) {
		got = copy(p[:n], c.data[offset:])
	}
	clear(p[got:n])
	return n
}

// bytes is all of it, not to be changed.
func (c content) bytes() []byte {
	if c.size == len(c.data) {
		return c.data[:c.size:c.size]
	}
	return append(make([]byte, 0, c.size), c.data...)[:c.size]
}

// info is what is known of an inode at some time, by one of its names.
type info struct {
	name     string
	mode     fs.FileMode
	modified time.Time
	stat     syscall.Stat_t
}

func (n *inode) describe(name string) *info {
	if n.info != nil && n.info.name == name {
		return n.info
	}
	i := &info{name: name, mode: n.mode, modified: n.modified}
	i.stat.Ino, i.stat.Uid, i.stat.Gid = n.number, n.uid, n.gid
	i.stat.Mode = uint32(n.mode.Perm())
	switch {
	case n.entries != nil:
		i.stat.Mode, i.stat.Nlink, i.stat.Size = i.stat.Mode|syscall.S_IFDIR, 2, 4096
	case n.isLink():
		i.stat.Mode, i.stat.Size = i.stat.Mode|syscall.S_IFLNK, int64(len(n.target))
		setNumber(&i.stat.Nlink, n.links)
	default:
		i.stat.Mode, i.stat.Size = i.stat.Mode|syscall.S_IFREG, int64(n.now.size)
		setNumber(&i.stat.Nlink, n.links)
	}
	n.info = i
	return i
}

// setNumber sets a field whose width differs between machines.
func setNumber[T uint32 | uint64](field *T, n int) { *field = T(n) } // #nosec G115 -- it is a small count

func (i *info) Name() string               { return i.name }
func (i *info) Size() int64                { return i.stat.Size }
func (i *info) Mode() fs.FileMode          { return i.mode }
func (i *info) Type() fs.FileMode          { return i.mode.Type() }
func (i *info) ModTime() time.Time         { return i.modified }
func (i *info) IsDir() bool                { return i.mode.IsDir() }
func (i *info) Sys() any                   { return &i.stat }
func (i *info) Info() (fs.FileInfo, error) { return i, nil }
