//go:build linux

package drive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
)

// OpenFile is os.OpenFile.
func (d *Drive) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	follow := flag&syscall.O_NOFOLLOW == 0 && flag&(os.O_CREATE|os.O_EXCL) != os.O_CREATE|os.O_EXCL
	kind := Open
	if flag&os.O_CREATE != 0 {
		if at, errno := d.find(path, follow); errno == 0 && at.node == nil {
			kind = Create
		}
	}
	if err := d.ask(kind, path, 0); err != nil {
		return nil, failed("open", path, err)
	}
	at, errno := d.find(path, follow)
	if errno == 0 {
		errno = d.admit(at, flag)
	}
	if errno != 0 {
		return nil, failed("open", path, errno)
	}
	if at.node == nil {
		at.node = d.make(perm.Perm() &^ d.Umask)
		d.set(at.folder, at.name, at.node, 0)
	} else if flag&os.O_TRUNC != 0 {
		at.node.truncate(0, d.now())
		d.tell(at.folder, at.name)
	}
	f := &file{drive: d, node: at.node, folder: at.folder, path: path, name: at.name, flag: flag, owner: d.owner(), number: len(d.open)}
	d.open = append(d.open, f)
	return f, nil
}

// admit says whether what stands at a place may be opened so, or made.
func (d *Drive) admit(at spot, flag int) syscall.Errno {
	n, writes := at.node, flag&(os.O_WRONLY|os.O_RDWR) != 0 || flag&os.O_TRUNC != 0
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return syscall.ENOENT
	case n == nil:
		return d.room(at.folder)
	case flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return syscall.EEXIST
	case n.isLink():
		return syscall.ELOOP
	case n.entries != nil && (writes || flag&os.O_CREATE != 0):
		return syscall.EISDIR
	case n.entries == nil && flag&syscall.O_DIRECTORY != 0:
		return syscall.ENOTDIR
	case writes && d.ReadOnly:
		return syscall.EROFS
	case writes && !d.may(n, 2), flag&os.O_WRONLY == 0 && !d.may(n, 4):
		return syscall.EACCES
	}
	return 0
}

// CreateTemp is os.CreateTemp, with names that are numbered.
func (d *Drive) CreateTemp(folder, pattern string) (disk.File, error) {
	before, after := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		before, after = pattern[:i], pattern[i+1:]
	}
	for {
		d.temps++
		f, err := d.OpenFile(folder+"/"+before+strconv.Itoa(d.temps)+after, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// TryLock is flock(2).
func (d *Drive) TryLock(opened disk.File) error {
	f := opened.(*file)
	if err := d.ask(Lock, f.path, 0); err != nil {
		return err
	}
	switch {
	case f.closed:
		return syscall.EBADF
	case f.node.lock != nil && f.node.lock != f:
		return syscall.EWOULDBLOCK
	}
	f.node.lock = f
	return nil
}

// begin asks before an operation on a file that is to be open.
func (f *file) begin(kind Kind, op string, size int) error {
	if err := f.drive.ask(kind, f.path, size); err != nil {
		return failed(op, f.path, err)
	}
	if f.closed {
		return failed(op, f.path, os.ErrClosed)
	}
	return nil
}

func (f *file) Name() string { return f.path }

func (f *file) Stat() (fs.FileInfo, error) {
	if err := f.begin(Stat, "stat", 0); err != nil {
		return nil, err
	}
	return f.node.describe(base(f.path)), nil
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.get(p, f.offset)
	f.offset += n
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, failed("readat", f.path, errors.New("negative offset"))
	}
	if len(p) == 0 { // package os asks nobody
		return 0, nil
	}
	n, err := f.get(p, int(offset))
	if err == nil && n < len(p) {
		return n, io.EOF
	}
	return n, err
}

func (f *file) get(p []byte, offset int) (int, error) {
	if err := f.begin(Read, "read", len(p)); err != nil {
		return 0, err
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case f.flag&os.O_WRONLY != 0:
		return 0, failed("read", f.path, syscall.EBADF)
	case f.node.entries != nil:
		return 0, failed("read", f.path, syscall.EISDIR)
	}
	return f.node.now.read(p, offset), nil
}

func (f *file) Write(p []byte) (int, error) {
	n, end, err := f.put(p, -1)
	if n > 0 {
		f.offset = end
	}
	return n, err
}

func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	switch {
	case f.flag&os.O_APPEND != 0:
		return 0, errors.New("os: invalid use of WriteAt on file opened with O_APPEND")
	case offset < 0:
		return 0, failed("writeat", f.path, errors.New("negative offset"))
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, _, err := f.put(p, int(offset))
	return n, err
}

// put writes at an offset, or where the last write ended (-1), and says where this one did.
// Where the disk has no room it may write a part.
func (f *file) put(p []byte, offset int) (n, end int, err error) {
	d, keep := f.drive, len(p)
	err = f.begin(Write, "write", len(p))
	if f.closed || err != nil && !errors.Is(err, syscall.ENOSPC) {
		return 0, 0, err
	}
	switch {
	case f.flag&os.O_APPEND != 0:
		offset = f.node.now.size
	case offset < 0:
		offset = f.offset
	}
	room := min(len(p), max(0, f.node.now.size-offset))
	switch {
	case f.flag&(os.O_WRONLY|os.O_RDWR) == 0:
		return 0, 0, failed("write", f.path, syscall.EBADF)
	case d.ReadOnly:
		return 0, 0, failed("write", f.path, syscall.EROFS)
	case err != nil:
		keep = d.rng.IntN(len(p)+1) * d.rng.IntN(2)
	case d.Full && room < len(p):
		keep, err = room+d.rng.IntN(len(p)-room)*d.rng.IntN(2), failed("write", f.path, syscall.ENOSPC)
	}
	if keep > 0 {
		f.node.write(p[:keep], offset, d.now())
		d.tell(f.folder, f.name)
	}
	return keep, offset + keep, err
}

func (f *file) Truncate(size int64) error {
	if err := f.begin(Truncate, "truncate", int(size)); err != nil {
		return err
	}
	switch {
	case f.flag&(os.O_WRONLY|os.O_RDWR) == 0, size < 0:
		return failed("truncate", f.path, syscall.EINVAL)
	case f.drive.ReadOnly:
		return failed("truncate", f.path, syscall.EROFS)
	}
	f.node.truncate(int(size), f.drive.now())
	f.drive.tell(f.folder, f.name)
	return nil
}

// Sync makes safe what a file holds, or which names a folder has.
func (f *file) Sync() error {
	kind := Sync
	if f.node.entries != nil {
		kind = SyncFolder
	}
	if err := f.begin(kind, "sync", 0); err != nil {
		return err
	}
	if kind == SyncFolder {
		f.drive.secure(f.node)
	} else {
		f.node.secure()
	}
	return nil
}

func (f *file) Chmod(mode fs.FileMode) error {
	if err := f.begin(Chmod, "chmod", 0); err != nil {
		return err
	}
	if errno := f.drive.chmod(spot{folder: f.folder, name: f.name, node: f.node}, mode); errno != 0 {
		return failed("chmod", f.path, errno)
	}
	return nil
}

func (f *file) Close() error {
	err := f.drive.ask(Close, f.path, 0)
	if f.closed {
		return failed("close", f.path, os.ErrClosed)
	}
	f.shut()
	if err != nil {
		return failed("close", f.path, err)
	}
	return nil
}
