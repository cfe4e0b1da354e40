package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// maxTokenFile caps a reading of the token file (F3). fal's two tokens are
// about 1 KiB; an access token over 64 KiB would fit no HTTP header.
const maxTokenFile = 64 << 10

type fileState int

const (
	fileAbsent   fileState = iota // a logout (F3)
	fileEmpty                     // a writer at work, or dead: never a logout (F3)
	fileHolds                     // tokens
	fileUnusable                  // not a token file, or not ours to read
)

// reading is one consistent look at the token file.
type reading struct {
	state fileState
	pair  pair
	data  []byte
	err   error  // why it is unusable
	fix   string // what to do about that, where it is not the usual
}

// mend is what to do about an unusable file.
func (r reading) mend() string {
	if r.fix != "" {
		return r.fix
	}
	if errors.Is(r.err, errFollowed) {
		return "set FALCRED_SOCKET to the socket that is followed; or end falcred follow, and remove the file if that was killed"
	}
	return mendFile
}

// tokenFile is the login's file, by the name that everybody uses for it.
type tokenFile struct {
	path string
	warn func(string) // says once what was found and mended (F2)
}

// guard is why the file must not be used: somebody else could put another one in
// its place, and what its first line says goes to the issuer. A symlink may lead to
// another folder of ours (F2, F6).
func (f tokenFile) guard() error {
	err := strict.Folder(filepath.Dir(f.path))
	if err == nil {
		err = strict.File(f.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is none
	}
	return err
}

// parts are what is wrong with a path, and what to do about it, "" where that is
// not known.
func parts(err error) (what, mend string) {
	if t := strict.As(err); t != nil {
		return t.Text, t.Hint
	}
	return err.Error(), ""
}

// target is the file behind symlinks (F2: a symlinked token file stays a
// symlink). A dangling link names the file that a write would create.
func (f tokenFile) target() (string, error) {
	target, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		return target, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	link, err := os.Readlink(f.path)
	if err != nil {
		return f.path, nil // nothing there at all
	}
	if !filepath.IsAbs(link) {
		link = filepath.Join(filepath.Dir(f.path), link)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(link))
	if err != nil {
		return "", fmt.Errorf("the token file is a link into a folder that is not there: %w", err)
	}
	return filepath.Join(folder, filepath.Base(link)), nil
}

// read needs no lock: two equal looks make one reading (F3). Neighbours
// write in place, so a single look can fall between their truncate and
// their write.
func (f tokenFile) read() reading {
	if err := f.guard(); err != nil {
		what, mend := parts(err)
		return reading{state: fileUnusable, err: errors.New(what), fix: mend}
	}
	last := f.look()
	for range 8 {
		next := f.look()
		if next.state == last.state && bytes.Equal(next.data, last.data) {
			return next
		}
		last = next
		time.Sleep(time.Millisecond)
	}
	// Somebody writes without a pause: no reading, and no logout either.
	return reading{state: fileEmpty}
}

func (f tokenFile) look() reading {
	file, err := os.OpenFile(f.path, os.O_RDONLY|nonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return reading{state: fileAbsent}
	}
	if err != nil {
		return reading{state: fileUnusable, err: err}
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return reading{state: fileUnusable, err: err}
	case !info.Mode().IsRegular():
		return reading{state: fileUnusable, err: fmt.Errorf("%s is not a regular file", f.path)}
	case !strict.Ours(info):
		return reading{state: fileUnusable, err: fmt.Errorf("%s belongs to another user", f.path)}
	case info.Size() > maxTokenFile:
		return reading{state: fileUnusable, err: fmt.Errorf("%s has %d bytes, more than any login (%d)", f.path, info.Size(), maxTokenFile)}
	}
	f.tighten(file, info)
	data, err := io.ReadAll(io.LimitReader(file, maxTokenFile))
	if err != nil {
		return reading{state: fileUnusable, err: err}
	}
	p, err := parsePair(data)
	switch {
	case p.refresh == env.Placeholder:
		return reading{state: fileUnusable, pair: p, data: data, err: fmt.Errorf("%s %w", f.path, errFollowed)}
	case errors.Is(err, errEmptyFile):
		return reading{state: fileEmpty}
	case err != nil:
		return reading{state: fileUnusable, data: data, err: fmt.Errorf("%s: %w", f.path, err)}
	}
	return reading{state: fileHolds, pair: p, data: data}
}

// tighten takes the file away from group and world (F2): the neighbours
// leave it with the umask's mode.
func (f tokenFile) tighten(file *os.File, info fs.FileInfo) {
	if !othersCanRead(info) {
		return
	}
	if err := file.Chmod(0o600); err == nil {
		f.warn("the token file was readable by others; its mode is 0600 now")
	}
}

// replace writes the token file where no refresh is involved. unchanged is F5's
// comparison: nothing but the rename comes after it.
func (f tokenFile) replace(target string, p pair, unchanged func() error) error {
	finished, err := writeTemp(target, p.format())
	if err != nil {
		return nameless(err)
	}
	defer os.Remove(finished) // nothing there any more where it went well
	if err := unchanged(); err != nil {
		return err
	}
	return nameless(f.install(finished, target, p))
}

// nameless leaves a temporary file's random name out: each try would read like
// another error.
func nameless(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// install moves a finished, fsynced file over the token file (F2).
func (f tokenFile) install(finished, target string, p pair) error {
	info, err := os.Stat(target)
	if err == nil && hardLinks(info) > 1 {
		return f.copyInto(finished, target, p, "it has several hard links")
	}
	err = os.Rename(finished, target)
	if isMountPoint(err) {
		return f.copyInto(finished, target, p, "it is a mount point: mount its folder instead")
	}
	if err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(target)); err != nil {
		f.warn("the token file's folder cannot be synced: " + nameless(err).Error())
	}
	return nil // it is in place
}

func (f tokenFile) copyInto(finished, target string, p pair, why string) error {
	f.warn("the token file is written in place, where a reader can meet it half written: " + why)
	if err := writeInPlace(target, p.format()); err != nil {
		return err
	}
	os.Remove(finished)
	return nil
}

// writeInPlace is for a file that must not be renamed over (F2): one with
// several hard links, or a mount point. Readers can meet a mixture of old and
// new while it runs, which is why a folder is what one should mount.
func writeInPlace(target string, data []byte) error {
	file, err := os.OpenFile(target, os.O_WRONLY|nonblock|noFollow, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return file.Sync()
}

// syncFolder makes a rename in it durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return ignoreUnsupported(folder.Sync())
}

// writeAtomic replaces falcred's own small file.
func writeAtomic(path string, data []byte) error {
	finished, err := writeTemp(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(finished, path); err != nil {
		os.Remove(finished)
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// writeTemp brings data to the disk beside path, for a rename.
func writeTemp(path string, data []byte) (name string, err error) {
	if err := strict.File(path); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return file.Name(), err
}

// ValidAccess is the token file's access token, read as an SDK would, if it has
// not run out.
func ValidAccess(home string) (string, bool) {
	file := tokenFile{path: filepath.Join(home, env.TokenFile), warn: func(string) {}}
	t := fromFile(file.read().pair, time.Now())
	return t.access, t.valid(time.Now())
}
