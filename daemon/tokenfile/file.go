package tokenfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// MaxSize caps a reading of the token file, in bytes. fal's two tokens are about 1 KiB; an
// access token over 64 KiB would fit no HTTP header.
const MaxSize = fsx.MaxSmall

// State is what the token file is.
type State int

// What a token file can be.
const (
	Absent   State = iota // there is none
	Empty                 // a writer is at work, or has died: never a logout
	Holds                 // tokens
	Unusable              // not a token file, or not ours to read
)

// Content is one consistent reading of the token file.
type Content struct {
	State State
	Pair  TokenPair // of an Unusable file only what falcred follow keeps there
	Err   error     // why it is Unusable
	hint  string    // what to do about that, where it is not the usual
}

// Texts about a token file, each in one wording: another program is writing it; and, after
// its name, a writer that has not written anything yet.
const (
	ChangingText = "another program is changing the token file"
	EmptyText    = "is empty: a program is writing it now, or has died while it did"
)

// ErrFollowed is the error for a file that `falcred follow` keeps: it holds the access token
// of a login elsewhere, and in place of a refresh token a word that is none.
var ErrFollowed = errors.New("is kept by falcred follow, and holds no login of its own")

// Hint is what to do about an Unusable file.
func (c Content) Hint() string {
	if c.hint != "" {
		return c.hint
	}
	switch {
	case errors.Is(c.Err, ErrFollowed):
		return "set FALCRED_SOCKET to the socket that falcred follow uses; or end falcred follow, and remove the file if it was left behind"
	case errors.Is(c.Err, errTheirs):
		return "leave it where it is: it may be a colleague's login; set FAL_HOME_DIR to a folder of your own, or run falcred as that user"
	}
	if _, hint := fsx.Explain(c.Err); hint != "" { // nothing is wrong with the login in it
		return hint
	}
	return "move it away, then log in: falcred login"
}

// errTheirs is a file that is somebody else's.
var errTheirs = errors.New("belongs to another user")

// Same says whether both readings found the same tokens, or the same lack of them.
func (c Content) Same(other Content) bool { return c.State == other.State && c.Pair == other.Pair }

// Because is an Unusable content in place of c: what c held is not to be used, and not in
// it. hint is what to do about err, "" for the usual.
func (c Content) Because(err error, hint string) Content {
	return Content{State: Unusable, Err: err, hint: hint}
}

func unusable(err error) Content { return Content{State: Unusable, Err: err} }

// File is the login's file, by the name that everybody uses for it. It may be used by
// several goroutines, if Warn may.
type File struct {
	Path string
	Warn func(text string) // is called with what was found and put right; nil is allowed
}

// In is the token file of a home.
func In(home string, warn func(text string)) File {
	return File{Path: filepath.Join(home, env.TokenFile), Warn: warn}
}

func (f File) warn(text string) {
	if f.Warn != nil {
		f.Warn(text)
	}
}

// Check is why the file must not be used: somebody else could put another one in its place,
// and what its first line says goes to the issuer. A symlink may lead to another folder of
// ours. It is nil where the file can be used, or does not exist.
func (f File) Check() error {
	err := strict.Folder(filepath.Dir(f.Path))
	if err == nil {
		err = strict.File(f.Path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is none
	}
	return err
}

// Target is the path of the file behind symlinks: that is what is written, so a symlinked
// token file stays a symlink. A dangling link names the file that a write would create.
func (f File) Target() (string, error) {
	target, err := fsx.Resolve(f.Path)
	if errors.Is(err, fsx.ErrDangling) {
		err = fmt.Errorf("the token file %w", err)
	}
	return target, err
}

// Modified is when the file was written last, by the clock of its file system.
func (f File) Modified() (time.Time, error) {
	info, err := disk.Stat(f.Path)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Read is what the file holds now. It needs no lock: it reads until two readings are equal,
// since neighbours write in place, and one alone can fall between their truncate and their
// write. Where others can read the file it takes that right from them. It takes some
// milliseconds at most.
func (f File) Read() Content {
	if err := f.Check(); err != nil {
		text, hint := fsx.Explain(err)
		return Content{State: Unusable, Err: errors.New(text), hint: hint}
	}
	last, before := f.readOnce()
	for range 8 {
		next, data := f.readOnce()
		if next.State == last.State && bytes.Equal(data, before) {
			return next
		}
		last, before = next, data
		clock.Sleep(time.Millisecond)
	}
	// Somebody writes without a pause: no reading, and no logout either.
	return Content{State: Empty}
}

// readOnce is one reading of the file, and its bytes.
func (f File) readOnce() (c Content, data []byte) {
	file, err := fsx.OpenAny(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Content{State: Absent}, nil
	}
	if err != nil {
		return unusable(err), nil
	}
	defer func() { file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return unusable(err), nil
	case !info.Mode().IsRegular():
		return unusable(fmt.Errorf("%s is not a regular file", f.Path)), nil
	case !strict.Ours(info):
		return unusable(fmt.Errorf("%s %w", f.Path, errTheirs)), nil
	case info.Size() > MaxSize:
		return unusable(fmt.Errorf("%s has %d bytes, more than any login (%d)", f.Path, info.Size(), MaxSize)), nil
	}
	if file, err = f.tighten(file, info); err != nil {
		return unusable(err), nil
	}
	data, err = io.ReadAll(io.LimitReader(file, MaxSize))
	if err != nil {
		return unusable(err), nil
	}
	p, err := Parse(data)
	switch {
	case p.Refresh == env.Placeholder:
		return Content{State: Unusable, Pair: p, Err: fmt.Errorf("%s %w", f.Path, ErrFollowed)}, data
	case errors.Is(err, ErrEmpty):
		return Content{State: Empty}, nil
	case err != nil:
		return unusable(fmt.Errorf("%s: %w", f.Path, err)), data
	}
	return Content{State: Holds, Pair: p}, data
}

// tighten takes group's and world's rights to the file away (F2): the neighbours leave it
// with the umask's mode. What it returns is the same file, to be read.
func (f File) tighten(file disk.File, info fs.FileInfo) (disk.File, error) {
	if !fsx.OthersCanRead(info) {
		return file, nil
	}
	file, done, err := fsx.Tighten(f.Path, file)
	if done {
		f.warn("the token file was readable by other users, and is not any more")
	}
	return file, err
}

// Replace writes tokens that stand in no journal entry: a login, or what a daemon holds and
// the file has lost. target is from [File.Target], and the lock is held. unchanged compares
// the file with what the caller has read: nothing but the rename comes after it, and its
// error is returned as it is.
func (f File) Replace(target string, p TokenPair, unchanged func() error) error {
	finished, err := fsx.WriteTemp(target, p.Bytes())
	if err != nil {
		return fsx.Cause(err)
	}
	defer disk.Remove(finished) // nothing there any more where it went well
	if err := unchanged(); err != nil {
		return err
	}
	return fsx.Cause(f.Install(finished, target, p))
}

// Replaceable is why [File.Install] would fail now, as far as that can be known without trying:
// another program has the file open, and lets nobody replace it, nor write in it.
func (f File) Replaceable(target string) error {
	err := disk.Replaceable(target)
	if err == nil {
		return nil
	}
	if fsx.WhyInPlace(target, err) != "" {
		if file, err := disk.OpenFile(target, os.O_WRONLY|fsx.Nonblock|fsx.NoFollow, 0o600); err == nil {
			return file.Close()
		}
	}
	return fmt.Errorf("the token file cannot be replaced: %w\nclose what has it open: an editor, a backup", fsx.Cause(err))
}

// Install moves a finished, fsynced file over the token file, and syncs the folder. A token
// file that must not be replaced is written in place with p, which is what the finished file
// holds.
func (f File) Install(finished, target string, p TokenPair) error {
	info, err := disk.Stat(target)
	if err == nil && fsx.HardLinks(info) > 1 {
		return f.copyInto(finished, target, p, "it has several hard links")
	}
	err = disk.Rename(finished, target)
	if why := fsx.WhyInPlace(target, err); why != "" {
		return f.copyInto(finished, target, p, why)
	}
	if err != nil {
		return err
	}
	f.SyncFolder(target)
	return nil // it is in place
}

// SyncFolder brings what has become of the names beside target to the disk: else a power cut may
// undo it. That it cannot is a warning.
func (f File) SyncFolder(target string) {
	if err := fsx.SyncFolder(filepath.Dir(target)); err != nil {
		f.warn("the token file's folder cannot be synced: " + fsx.Cause(err).Error())
	}
}

func (f File) copyInto(finished, target string, p TokenPair, why string) error {
	f.warn("the token file is written in place, so a reader can find it half written: " + why)
	if err := fsx.WriteInPlace(target, p.Bytes()); err != nil {
		return err
	}
	disk.Remove(finished)
	f.SyncFolder(target) // the name that it has may never have come to the disk: who renamed it was killed
	return nil
}
