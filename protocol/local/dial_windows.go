package local

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

const pipePrefix = `\\.\pipe\`

// identification: a server may know who we are, and not act as us; it may be anybody's, even where
// a file was to be opened.
const identification = 0x00100000 | 1<<16 // SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION

// maxAddress is more than an address file holds.
const maxAddress = 300

// Dial opens the pipe that the file at path names. It never waits: where all instances are
// taken it says EAGAIN. As for a socket, ENOTSOCK is a file that is no address, and
// ECONNREFUSED an address that nobody serves at.
func Dial(path string) (*Conn, error) {
	h, err := dial(path)
	if err != nil {
		return nil, &fs.PathError{Op: "connect", Path: path, Err: err}
	}
	return newConn(h, path), nil
}

func dial(path string) (syscall.Handle, error) {
	name, err := readAddress(path)
	if err != nil {
		return 0, err
	}
	pipe, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return 0, err
	}
	h, err := syscall.CreateFile(pipe, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_EXISTING,
		syscall.FILE_FLAG_OVERLAPPED|identification, 0)
	switch err {
	case errPipeBusy:
		return 0, syscall.EAGAIN
	case syscall.ERROR_FILE_NOT_FOUND:
		return 0, syscall.ECONNREFUSED
	}
	return h, err
}

// readAddress is the name of the pipe that the file at path names.
func readAddress(path string) (name string, err error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	name, rest, whole := strings.Cut(string(data), "\n")
	own, local := strings.CutPrefix(name, pipePrefix)
	if !whole || rest != "" || !local || own == "" || strings.Trim(own, nameLetters) != "" {
		return "", syscall.ENOTSOCK
	}
	return name, nil
}

// nameLetters are those of a pipe's own name: no backslash, nothing that Windows would
// leave out.
const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// readFile reads what an address file can hold at most, in as few calls as can be: many
// clients may ask again and again. Its owner can replace it meanwhile.
func readFile(path string) ([]byte, error) {
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const all = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ, all, nil, syscall.OPEN_EXISTING, identification, 0)
	if err == errSharing { // somebody looks at it who does not share
		err = syscall.EAGAIN
	}
	if err != nil {
		return nil, err
	}
	defer syscall.CloseHandle(h)
	data := make([]byte, maxAddress)
	n, err := syscall.Read(h, data)
	return data[:max(n, 0)], err
}

// bare is a file's error without the path, which is in the caller's.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
