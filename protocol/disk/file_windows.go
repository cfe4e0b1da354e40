package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

const (
	shareAll = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE
	// onlyLinks are flags of an opening that follows no link, and opens folders as well.
	onlyLinks = syscall.FILE_FLAG_OPEN_REPARSE_POINT | syscall.FILE_FLAG_BACKUP_SEMANTICS

	readControl     = 0x20000 // READ_CONTROL
	writeDAC        = 0x40000 // WRITE_DAC
	readAttributes  = 0x80    // FILE_READ_ATTRIBUTES
	writeAttributes = syscall.FILE_WRITE_ATTRIBUTES
)

// NoFollow among the flags of an opening has it fail with ELOOP where a link stands.
const NoFollow = syscall.FILE_FLAG_OPEN_REPARSE_POINT

// Alone among the flags of an opening has it fail while anybody has the file open, and keeps
// everybody out as long as it lasts. Nobody is waited for.
const Alone = 0x10000000 // none of package os

// file is an open file that knows its owner and its mode.
type file struct {
	*os.File
	identity identity // asked for at once: wine no longer knows it when the file has been renamed
}

// identity is a file's number on its volume, whatever it is called. The volume is not asked for:
// what is compared has, or had, one path.
type identity int64

// known is FILE_ALL_INFORMATION, all that the system has on a file but its volume, for which
// wine would ask another process.
type known struct {
	created, accessed, written, changed int64 // in 100 ns since 1601
	attributes, _                       uint32
	allocated, size                     int64
	links                               uint32
	deleted, folder                     byte
	_                                   [2]byte
	identity                            identity
	_                                   [24]byte
	nameLength                          uint32
	name                                [260]uint16 // as much as fits
}

var ntQueryInformationFile = ntdll.NewProc("NtQueryInformationFile")

func query(h syscall.Handle) (k known, err error) {
	const allInformation, bufferOverflow = 18, 0x80000005 // the name did not fit
	var answer [2]uintptr
	status, _, _ := ntQueryInformationFile.Call(uintptr(h), uintptr(unsafe.Pointer(&answer)), uintptr(unsafe.Pointer(&k)), unsafe.Sizeof(k), allInformation) // #nosec G103 -- a call of the system
	if status != 0 && status != bufferOverflow {
		return k, syscall.EINVAL
	}
	return k, nil
}

func newFile(h syscall.Handle, path string) (f *file, k known, err error) {
	if k, err = query(h); err != nil {
		syscall.CloseHandle(h)
		return nil, k, err
	}
	return &file{os.NewFile(uintptr(h), path), k.identity}, k, nil
}

func (f *file) Write(data []byte) (int, error) {
	n, err := f.File.Write(data)
	return n, full(err)
}

func (f *file) WriteAt(data []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(data, at)
	return n, full(err)
}

func (f *file) Truncate(size int64) error { return full(f.File.Truncate(size)) }
func (f *file) Sync() error               { return full(f.File.Sync()) }

func (f *file) Stat() (fs.FileInfo, error) {
	k, err := query(syscall.Handle(f.Fd()))
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return f.stat(k)
}

// stat leaves links, and what else is no file nor folder, to package os.
func (f *file) stat(k known) (fs.FileInfo, error) {
	if k.attributes&syscall.FILE_ATTRIBUTE_REPARSE_POINT == 0 {
		return secured(f, plain{filepath.Base(f.Name()), &k}, k.links), nil
	}
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return secured(f, info, k.links), nil
}

// plain is what package os says of a file or a folder.
type plain struct {
	base string
	*known
}

func (p plain) Name() string       { return p.base }
func (p plain) Size() int64        { return p.size }
func (p plain) ModTime() time.Time { return time.Unix(0, (p.written-since1601)*100) }
func (p plain) IsDir() bool        { return p.Mode().IsDir() }
func (p plain) Sys() any           { return nil }

const since1601 = 11644473600 * 1e7 // until 1970

func (p plain) Mode() fs.FileMode {
	mode := fs.FileMode(0o666)
	if p.attributes&syscall.FILE_ATTRIBUTE_READONLY != 0 {
		mode = 0o444
	}
	if p.attributes&syscall.FILE_ATTRIBUTE_DIRECTORY != 0 {
		mode |= fs.ModeDir | 0o111
	}
	return mode
}

// Chmod opens the file once more, for the rights that takes: they are asked for nowhere else.
func (f *file) Chmod(mode fs.FileMode) error {
	h, _, err := reOpenFile.Call(f.Fd(), writeDAC|readAttributes|writeAttributes, shareAll, syscall.FILE_FLAG_BACKUP_SEMANTICS)
	if syscall.Handle(h) == syscall.InvalidHandle {
		return &fs.PathError{Op: "chmod", Path: f.Name(), Err: err}
	}
	again := os.NewFile(h, f.Name())
	defer again.Close()
	if err := setMode(syscall.Handle(h), mode, false); err != nil {
		return &fs.PathError{Op: "chmod", Path: f.Name(), Err: err}
	}
	return again.Chmod(mode) // the attribute that nobody may write
}

var reOpenFile = kernel32.NewProc("ReOpenFile")

// OpenFile opens as package os does, but for what the package's comment says.
func (windows) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	var h syscall.Handle
	inTheWay := shared
	if flag&Alone != 0 {
		inTheWay = func(error) bool { return false }
	}
	err := again(func() (err error) { h, err = open(path, flag, perm); return err }, inTheWay)
	var f *file
	var k known
	if err == nil {
		f, k, err = newFile(h, path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: full(err)}
	}
	if flag&NoFollow == 0 || k.attributes&syscall.FILE_ATTRIBUTE_REPARSE_POINT == 0 {
		return f, nil
	}
	if info, err := f.File.Stat(); err == nil && info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
	}
	return f, nil
}

// createFile is CreateFile. What a path leads to may be a pipe: who serves there may know who we
// are, and not act as us.
func createFile(name *uint16, access, share uint32, attributes *syscall.SecurityAttributes, how, flags uint32) (syscall.Handle, error) {
	const identification = 0x00100000 | 1<<16 // SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION
	return syscall.CreateFile(name, access, share, attributes, how, flags|identification, 0)
}

// open is CreateFile with what the flags of package os mean.
func open(path string, flag int, perm fs.FileMode) (syscall.Handle, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil || path == "" {
		return syscall.InvalidHandle, syscall.ENOENT
	}
	how := uint32(syscall.OPEN_EXISTING)
	switch {
	case flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		how, flag = syscall.CREATE_NEW, flag|NoFollow
	case flag&os.O_CREATE != 0:
		how = syscall.OPEN_ALWAYS
	}
	attrs := uint32(syscall.FILE_ATTRIBUTE_NORMAL)
	switch writes := flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE) != 0; {
	case !writes:
		attrs |= syscall.FILE_FLAG_BACKUP_SEMANTICS // or no folder opens
	case perm&0o200 == 0 && how != syscall.OPEN_EXISTING:
		attrs = syscall.FILE_ATTRIBUTE_READONLY
	}
	share := uint32(shareAll)
	if flag&Alone != 0 {
		share = 0
	}
	h, err := createFile(name, access(flag), share, attributes(perm, false), how, attrs|uint32(flag&NoFollow)) // #nosec G115 -- one bit
	switch {
	case err == nil || h != syscall.InvalidHandle:
	case err == syscall.ERROR_FILE_EXISTS:
		return h, syscall.EEXIST
	case err == syscall.ERROR_ACCESS_DENIED && isFolder(path):
		return h, syscall.EISDIR
	default:
		return h, err
	}
	if flag&os.O_TRUNC != 0 {
		if err := syscall.Ftruncate(h, 0); err != nil {
			syscall.CloseHandle(h)
			return syscall.InvalidHandle, err
		}
	}
	return h, nil
}

func isFolder(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// access is what an opening asks for, to append without the right to write elsewhere.
func access(flag int) uint32 {
	const appending = syscall.FILE_APPEND_DATA | writeAttributes | readControl | syscall.SYNCHRONIZE
	want := uint32(0)
	if flag&(os.O_WRONLY|os.O_RDWR) != os.O_WRONLY {
		want = syscall.GENERIC_READ
	}
	switch {
	case flag&os.O_APPEND != 0 && flag&os.O_TRUNC == 0:
		want |= appending
	case flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE) != 0:
		want |= syscall.GENERIC_WRITE
	}
	return want
}

func (windows) Stat(path string) (fs.FileInfo, error) {
	return look("stat", path, syscall.FILE_FLAG_BACKUP_SEMANTICS, os.Stat)
}

func (windows) Lstat(path string) (fs.FileInfo, error) {
	return look("lstat", path, onlyLinks, os.Lstat)
}

// look has all that is known of a file from one opening of it. What may not be opened for that
// has an owner and a mode that nobody would trust.
func look(op, path string, flags uint32, otherwise func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil || path == "" {
		return nil, &fs.PathError{Op: op, Path: path, Err: syscall.ENOENT}
	}
	h, err := createFile(name, readControl|readAttributes, shareAll, nil, syscall.OPEN_EXISTING, flags)
	if err != nil {
		info, err := otherwise(path)
		if err != nil {
			return nil, err
		}
		return distrusted(info), nil
	}
	f, k, err := newFile(h, path)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: path, Err: err}
	}
	defer f.Close()
	return f.stat(k)
}

func (windows) Chmod(path string, mode fs.FileMode) error {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	h, err := createFile(name, writeDAC, shareAll, nil, syscall.OPEN_EXISTING, syscall.FILE_FLAG_BACKUP_SEMANTICS)
	if err == nil {
		err = setMode(h, mode, info.IsDir())
		syscall.CloseHandle(h)
	}
	if err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	return os.Chmod(path, mode) // the attribute that nobody may write
}
