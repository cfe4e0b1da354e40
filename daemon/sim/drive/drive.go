//go:build linux

package drive

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/protocol/disk"
)

// Kind is what an operation does.
type Kind int

// The operations.
const (
	Open Kind = iota
	Create
	Read
	Write
	Truncate
	Sync
	SyncFolder
	Close
	Lock
	Stat // an open file's, or a path's behind links
	Lstat
	Readlink
	ReadDir
	Rename
	Remove
	Chmod
	Mkdir
)

var kinds = []string{"open", "create", "read", "write", "truncate", "sync", "sync folder", "close", "lock", "stat", "lstat", "readlink", "read folder", "rename", "remove", "chmod", "mkdir"}

func (k Kind) String() string { return kinds[k] }

// Op is an operation that somebody asks for.
type Op struct {
	Kind Kind
	Path string // as he calls it; of a rename the old name
	To   string // of a rename the new one
	Size int    // of a read or write, in bytes
}

// Drive is a disk. Its fields may be changed at any time.
type Drive struct {
	// Before is asked before each operation. Where it panics nothing has happened; an error,
	// which is a [syscall.Errno], is what the operation fails with.
	Before func(Op) error
	// Owner is who is asking: the process that what is opened belongs to.
	Owner func() any
	// Now dates what is written.
	Now func() time.Time
	// Full lets nothing grow: a write that would writes a part of it at most. What is there
	// can be written over. A new name may still find room.
	Full bool
	// ReadOnly lets nothing change.
	ReadOnly bool
	// Umask is taken from the mode of what is made.
	Umask fs.FileMode

	rng      *rand.Rand
	uid, gid uint32
	root     *inode
	numbers  uint64 // of inodes
	temps    int
	open     []*file
	watches  []*watch

	pending []change // of names, oldest first: what a power cut may undo
	changes uint64   // counts them
	shape   uint64   // counts what may lead paths elsewhere
	last    cached
}

var _ disk.Disk = (*Drive)(nil)

// New is an empty disk: "/", which is root's.
func New(rng *rand.Rand) *Drive {
	d := &Drive{rng: rng, Umask: 0o022, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())} // #nosec G115 -- ids are not negative
	d.root = d.make(fs.ModeDir | 0o755)
	d.root.parent, d.root.uid, d.root.gid = d.root, 0, 0
	return d
}

// Home makes a folder of ours alone, and those above it, which are root's. All of them are
// there for ever.
func (d *Drive) Home(path string) {
	at := d.root
	for _, name := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' }) {
		next := at.entries[name]
		if next == nil {
			next = d.make(fs.ModeDir | 0o755)
			next.parent, next.name, next.uid, next.gid = at, name, 0, 0
			at.entries[name] = next
		}
		at = next
	}
	at.mode, at.uid, at.gid, at.info = fs.ModeDir|0o700, d.uid, d.gid, nil
	d.shape++
}

// Kill is the death of a process: what it has open is closed, and its locks go. What it has
// written stays.
func (d *Drive) Kill(owner any) {
	for _, f := range slices.Clone(d.open) {
		if f.owner == owner {
			f.shut()
		}
	}
	d.watches = slices.DeleteFunc(d.watches, func(w *watch) bool { return w.owner == owner })
}

func (d *Drive) make(mode fs.FileMode) *inode {
	d.numbers++
	n := &inode{number: d.numbers, mode: mode, uid: d.uid, gid: d.gid, modified: d.now()}
	if mode.IsDir() {
		n.entries = map[string]*inode{}
	}
	return n
}

func (f *file) shut() {
	d := f.drive
	last := d.open[len(d.open)-1]
	d.open[f.number], last.number = last, f.number
	d.open[len(d.open)-1] = nil
	d.open = d.open[:len(d.open)-1]
	if f.node.lock == f {
		f.node.lock = nil
	}
	f.closed = true
}

// ask lets the simulator do what it wants before an operation.
func (d *Drive) ask(kind Kind, path string, size int) error {
	if d.Before == nil {
		return nil
	}
	return d.Before(Op{Kind: kind, Path: path, Size: size})
}

func (d *Drive) owner() any {
	if d.Owner == nil {
		return nil
	}
	return d.Owner()
}

func (d *Drive) now() time.Time {
	if d.Now == nil {
		return time.Time{}
	}
	return d.Now()
}

// may says whether a mode lets us read (4), write (2), or search (1).
func (d *Drive) may(n *inode, right fs.FileMode) bool {
	switch mode := n.mode.Perm(); {
	case n.uid == d.uid:
		return mode>>6&right == right
	case n.gid == d.gid:
		return mode>>3&right == right
	default:
		return mode&right == right
	}
}

// change is one of a name that a power cut may undo.
type change struct {
	number       uint64
	folder       *inode
	name         string
	before, node *inode // nil: none
	of           uint64 // a rename's other half, the coming of the new name; mostly 0
}

// cached is the folder of the path that was looked up last, while no folder or link has changed.
type cached struct {
	folder string
	node   *inode
	shape  uint64
}

// file is an open file.
type file struct {
	drive  *Drive
	node   *inode
	folder *inode // where it was opened, for those who are told of changes
	path   string // as it was opened
	name   string // in folder
	flag   int
	offset int
	owner  any
	number int // in drive.open
	closed bool
}

// watch is somebody who wants to be told of changes.
type watch struct {
	owner  any
	report func(path string)
}

// Notify has report called with the path of each name that changes or whose file does.
func (d *Drive) Notify(report func(path string)) (stop func()) {
	w := &watch{d.owner(), report}
	d.watches = append(d.watches, w)
	return func() { d.watches = slices.DeleteFunc(d.watches, func(other *watch) bool { return other == w }) }
}

func (d *Drive) tell(folder *inode, name string) {
	if len(d.watches) == 0 {
		return
	}
	path := folder.path() + "/" + name
	for _, w := range d.watches {
		w.report(path)
	}
}

// failed is an error as package os gives it.
func failed(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }

// result is failed, or nil where nothing has.
func result(op, path string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return failed(op, path, errno)
}
