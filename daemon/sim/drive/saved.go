//go:build linux

package drive

import (
	"bytes"
	"io/fs"
	"slices"
)

// Saved is a file as it was at some time, or that there was none.
type Saved struct {
	Path    string
	there   bool
	content content
	mode    fs.FileMode
}

// Save is what a backup has of a file. It follows links.
func (d *Drive) Save(path string) Saved {
	at, errno := d.known(path, true)
	if errno != 0 || at.node.entries != nil {
		return Saved{Path: path}
	}
	return Saved{path, true, at.node.now, at.node.mode}
}

// Put puts back what was saved, in a new file in the place of what is there, or removes it: for
// ever, and nobody is asked. Its folder has to be there.
func (d *Drive) Put(s Saved) {
	at, errno := d.find(s.Path, true)
	if errno != 0 || at.node != nil && at.node.entries != nil {
		return
	}
	var n *inode
	if s.there {
		s.content.data = slices.Clip(s.content.data)
		n = d.make(s.mode)
		n.now, n.top = s.content, len(s.content.data)
		n.secure()
	}
	put(at.folder, at.name, n)
	d.forget(func(c change) bool { return c.folder == at.folder && c.name == at.name })
	d.tell(at.folder, at.name)
}

// ReadRaw is what a path names, behind links, for a judge: nobody is asked. It must not be
// changed.
func (d *Drive) ReadRaw(path string) ([]byte, bool) {
	at, errno := d.known(path, true)
	if errno != 0 || at.node.entries != nil {
		return nil, false
	}
	return at.node.now.bytes(), true
}

// Head is what a file holds before its first zero byte, and whether there is one. It is not to be
// changed.
func (d *Drive) Head(path string) (head []byte, cut bool) {
	at, errno := d.known(path, true)
	if errno != 0 || at.node.entries != nil {
		return nil, false
	}
	c := at.node.now
	head, _, cut = bytes.Cut(c.data, []byte{0})
	return head, cut || c.size > len(c.data)
}
