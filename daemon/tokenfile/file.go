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
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// MaxSize caps a reading of the token file, in bytes (F3). fal's two tokens are
// about 1 KiB; an access token over 64 KiB would fit no HTTP header.
const MaxSize = fsx.MaxSmall

// State is what the token file is.
type State int

// What a token file can be.
const (
	Absent   State = iota // there is none
	Empty                 // a writer at work, or dead (F3)
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

// ErrFollowed is a file that `falcred follow` keeps: it holds the access token of a login
// elsewhere, and in place of a refresh token a word that is none.
var ErrFollowed = errors.New("is kept by falcred follow, and holds no login of its own")

// Hint is what to do about an Unusable file.
func (c Content) Hint() string {
	if c.hint != "" {
		return c.hint
	}
	if errors.Is(c.Err, ErrFollowed) {
		return "set FALCRED_SOCKET to the socket that is followed; or end falcred follow, and remove the file if that was killed"
	}
	return "move it away and log in again"
}

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
	Warn func(text string) // says once what was found and mended (F2); nil says it to nobody
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

// Check is why the file must not be used: somebody else could put another one in
// its place, and what its first line says goes to the issuer. A symlink may lead to
// another folder of ours (F2, F6). It is nil where there is none.
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

// Target is the file behind symlinks (F2: a symlinked token file stays a
// symlink). A dangling link names the file that a write would create.
func (f File) Target() (string, error) {
	target, err := fsx.Resolve(f.Path)
	if errors.Is(err, fsx.ErrDangling) {
		err = fmt.Errorf("the token file %w", err)
	}
	return target, err
}

// Modified is when the file was written last, by the clock of its filesystem.
func (f File) Modified() (time.Time, error) {
	info, err := fsx.Stat(f.Path)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Read needs no lock: two equal looks make one reading (F3). Neighbours
// write in place, so a single look can fall between their truncate and
// their write. Where others can read the file it takes that from them (F2).
func (f File) Read() Content {
	if err := f.Check(); err != nil {
		text, hint := fsx.Explain(err)
		return Content{State: Unusable, Err: errors.New(text), hint: hint}
	}
	last, before := f.look()
	for range 8 {
		next, data := f.look()
		if next.State == last.State && bytes.Equal(data, before) {
			return next
		}
		last, before = next, data
		clock.Sleep(time.Millisecond)
	}
	// Somebody writes without a pause: no reading, and no logout either.
	return Content{State: Empty}
}

// look is one look at the file, and the bytes that it saw.
func (f File) look() (c Content, data []byte) {
	file, err := fsx.OpenAny(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Content{State: Absent}, nil
	}
	if err != nil {
		return unusable(err), nil
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return unusable(err), nil
	case !info.Mode().IsRegular():
		return unusable(fmt.Errorf("%s is not a regular file", f.Path)), nil
	case !strict.Ours(info):
		return unusable(fmt.Errorf("%s belongs to another user", f.Path)), nil
	case info.Size() > MaxSize:
		return unusable(fmt.Errorf("%s has %d bytes, more than any login (%d)", f.Path, info.Size(), MaxSize)), nil
	}
	f.tighten(file, info)
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

// tighten takes the file away from group and world (F2): the neighbours
// leave it with the umask's mode.
func (f File) tighten(file *os.File, info fs.FileInfo) {
	if !fsx.OthersCanRead(info) {
		return
	}
	if err := file.Chmod(0o600); err == nil {
		f.warn("the token file was readable by others; its mode is 0600 now")
	}
}

// Replace writes tokens that stand in no journal entry: a login, or what a daemon holds and
// the file has lost. target is from [File.Target], and the lock is held. unchanged is F5's
// comparison: nothing but the rename comes after it, and its error is returned as it is.
func (f File) Replace(target string, p TokenPair, unchanged func() error) error {
	finished, err := fsx.WriteTemp(target, p.Bytes())
	if err != nil {
		return fsx.Cause(err)
	}
	defer fsx.Remove(finished) // nothing there any more where it went well
	if err := unchanged(); err != nil {
		return err
	}
	return fsx.Cause(f.Install(finished, target, p))
}

// Install moves a finished, fsynced file over the token file (F2). Where it must not be
// renamed over, p, which the finished file holds, is written into it.
func (f File) Install(finished, target string, p TokenPair) error {
	info, err := fsx.Stat(target)
	if err == nil && fsx.HardLinks(info) > 1 {
		return f.copyInto(finished, target, p, "it has several hard links")
	}
	err = fsx.Rename(finished, target)
	if fsx.IsMountPoint(err) {
		return f.copyInto(finished, target, p, "it is a mount point: mount its folder instead")
	}
	if err != nil {
		return err
	}
	if err := fsx.SyncFolder(filepath.Dir(target)); err != nil {
		f.warn("the token file's folder cannot be synced: " + fsx.Cause(err).Error())
	}
	return nil // it is in place
}

func (f File) copyInto(finished, target string, p TokenPair, why string) error {
	f.warn("the token file is written in place, where a reader can meet it half written: " + why)
	if err := fsx.WriteInPlace(target, p.Bytes()); err != nil {
		return err
	}
	fsx.Remove(finished)
	return nil
}
