//go:build linux

package drive

import (
	"maps"
	"slices"
)

// block is what a disk writes whole: 512 bytes.
const block = 512

// maxPending bounds what a power cut can undo: a journaling file system brings names to the
// disk by itself after some seconds.
const maxPending = 256

func (d *Drive) remember(folder *inode, name string, node *inode, of uint64) uint64 {
	if len(d.pending) >= maxPending {
		d.pending = slices.Delete(d.pending, 0, maxPending/2)
	}
	d.changes++
	d.pending = append(d.pending, change{d.changes, folder, name, folder.entries[name], node, of})
	return d.changes
}

// secure is the fsync of a folder. Where a name went from it by a rename, the new one is safe
// as well, in whichever folder.
func (d *Drive) secure(folder *inode) {
	for _, went := range d.pending {
		if went.folder != folder || went.of == 0 {
			continue
		}
		if i := d.numbered(went.of); i >= 0 && d.pending[i].folder != folder {
			come := d.pending[i]
			d.forget(func(c change) bool { return c.folder == come.folder && c.name == come.name && c.number <= come.number })
			d.secure(folder)
			return
		}
	}
	d.forget(func(c change) bool { return c.folder == folder })
}

func (d *Drive) forget(safe func(change) bool) { d.pending = slices.DeleteFunc(d.pending, safe) }

// numbered is where a change stands among those that are pending, -1 where it is safe.
func (d *Drive) numbered(number uint64) int {
	return slices.IndexFunc(d.pending, func(c change) bool { return c.number == number })
}

// PowerCut is the death of the machine. All that is open is closed, and nobody is told
// anything any more. Of what was not fsynced each file's content and each name is, at random,
// as it was when it was, as it is, or something between: of a file a mixture of blocks.
func (d *Drive) PowerCut() {
	for len(d.open) > 0 {
		d.open[len(d.open)-1].shut()
	}
	d.watches = nil
	d.cutNames()
	d.shape++
	d.eachInode(d.root, func(n *inode) { n.links, n.info = 0, nil })
	d.eachInode(d.root, func(n *inode) { n.links++ })
	d.eachInode(d.root, d.cutContent)
}

// eachInode calls visit for each name below a folder, in the order of names.
func (d *Drive) eachInode(folder *inode, visit func(*inode)) {
	for _, name := range slices.Sorted(maps.Keys(folder.entries)) {
		n := folder.entries[name]
		visit(n)
		if n.entries != nil {
			d.eachInode(n, visit)
		}
	}
}

// fate is which of a name's pending changes have reached the disk: the first so many.
type fate struct {
	changes []change
	reached int
}

// cutNames settles each name by itself: none of its changes has reached the disk, or all, or
// some. A rename over a name never leaves that without a file, and the old name has not gone
// where the new one has not come.
func (d *Drive) cutNames() {
	var fates []*fate
	whose := map[uint64]*fate{} // by the change
	for _, c := range d.pending {
		i := slices.IndexFunc(fates, func(f *fate) bool { return f.changes[0].folder == c.folder && f.changes[0].name == c.name })
		if i < 0 {
			i, fates = len(fates), append(fates, &fate{})
		}
		fates[i].changes = append(fates[i].changes, c)
		whose[c.number] = fates[i]
	}
	weather := d.rng.IntN(4)
	for _, f := range fates {
		switch weather {
		case 0: // nothing has reached it
		case 1:
			f.reached = len(f.changes)
		default:
			f.reached = d.rng.IntN(len(f.changes) + 1)
		}
	}
	for _, went := range slices.Backward(d.pending) {
		if went.of == 0 {
			continue
		}
		old, come := whose[went.number], whose[went.of]
		switch there := come == nil || come.has(went.of); { // nil: it is safe
		case !there:
			old.reached = min(old.reached, old.index(went.number)-1)
		case went.before.entries != nil: // a folder has one name
			old.reached = max(old.reached, old.index(went.number))
		}
	}
	for _, f := range fates {
		c := f.changes[max(0, f.reached-1)]
		if f.reached == 0 {
			c.node = c.before
		}
		put(c.folder, c.name, c.node)
	}
	d.pending = d.pending[:0]
}

// index is which of the changes has a number, counted from 1.
func (f *fate) index(number uint64) int {
	return 1 + slices.IndexFunc(f.changes, func(c change) bool { return c.number == number })
}

func (f *fate) has(number uint64) bool { return f.reached >= f.index(number) }

// cutContent settles what a file holds.
func (d *Drive) cutContent(n *inode) {
	if !n.dirty {
		return
	}
	all := append(append([]content{n.safe}, n.since...), n.now)
	kept := all[0]
	switch d.rng.IntN(4) {
	case 0:
	case 1:
		kept = n.now
	case 2:
		kept = all[d.rng.IntN(len(all))]
	default:
		kept = d.mix(all)
	}
	kept.data = slices.Clip(kept.data)
	n.now, n.top, n.info = kept, len(kept.data), nil
	n.secure()
}

// mix has each block of any of the contents, and the length of any. Where the one that a
// block is of was shorter, it has zeros.
func (d *Drive) mix(all []content) content {
	data := make([]byte, all[d.rng.IntN(len(all))].size)
	for at := 0; at < len(data); at += block {
		all[d.rng.IntN(len(all))].read(data[at:min(at+block, len(data))], at)
	}
	return content{data, len(data)}
}

// put is set for good.
func put(folder *inode, name string, node *inode) {
	if before := folder.entries[name]; before != nil {
		before.links--
		before.info = nil
	}
	if node == nil {
		delete(folder.entries, name)
		return
	}
	folder.entries[name] = node
	node.links++
	node.info = nil
	if node.entries != nil {
		node.parent, node.name = folder, name
	}
}
