package fsx

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/falcred/falcred/protocol/strict"
)

// DiskHint is what to do where something cannot be written, and the system's word does not
// say why.
const DiskHint = "make room on the disk (delete files), or make the folder writable"

// hints say what to do about the errors that a disk, or a limit, gives to whoever opens,
// reads or writes a file. The system's own words say what it is.
var hints = []struct {
	errno syscall.Errno
	hint  string
}{
	{syscall.EROFS, "it is mounted read-only: mount it writable, or set FAL_HOME_DIR to a folder that can be written"},
	{syscall.ENOSPC, "make room on the disk (delete files); to see what is left: df -h, df -i"},
	{syscall.EDQUOT, "your quota on that disk is used up: delete files of yours there, or have it raised"},
	{syscall.EMFILE, "raise the limit of open files: ulimit -n 1024, or LimitNOFILE=1024 in a unit"},
	{syscall.ENFILE, "the whole machine has no file left to open: end programs, or have root raise fs.file-max"},
	{syscall.EFBIG, "lift the limit of a file's size: ulimit -f unlimited, or LimitFSIZE=infinity in a unit"},
	{syscall.EIO, "the disk fails, or its server: see the kernel's log (dmesg)"},
	{syscall.ESTALE, "its network file system has lost it: mount that again"},
	{syscall.ENOTCONN, "the program behind its file system has ended: mount that again"},
	{syscall.ENOLCK, "its file system has no locks: choose a FAL_HOME_DIR on another one"},
	{syscall.EACCES, "give yourself the right to use it: chmod u+rw; to see the rights of it and its folder: ls -ld"},
	{syscall.EPERM, "you have to be allowed to change it: see lsattr, and whether AppArmor or SELinux forbids it"},
}

// Explain is what is wrong with a path, and what to do about it, by the error's own second
// line, or by what the system says: hint is "" where that is not known.
func Explain(err error) (text, hint string) {
	if t := strict.As(err); t != nil {
		return t.Text, t.Hint
	}
	text, hint, _ = strings.Cut(err.Error(), "\n")
	if hint != "" {
		return text, hint
	}
	for _, h := range hints {
		if errors.Is(err, h.errno) {
			return text, h.hint
		}
	}
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EISDIR),
		errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist): // of the name alone
	case errors.As(err, &errno):
		return text, "its file system fails; the file may be whole"
	}
	return text, ""
}

// Hint is what to do about an error of a file that was to be written.
func Hint(err error) string {
	_, hint := Explain(err)
	return cmp.Or(hint, DiskHint)
}
