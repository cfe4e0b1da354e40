// Package journal keeps on disk what has to outlive a falcred that dies in the middle of
// a rotation: so no login is lost that the issuer would give again, and no refresh token
// is sent twice but to ask for an answer that was lost.
//
// It has three things, and makes a promise with each:
//
//   - An [Entry] is the write-ahead entry of one rotation, a file beside the token file.
//     It is there, with room for the issuer's answer, before the refresh token is sent,
//     and it goes when the answer is in the token file. Whenever the process or the
//     machine dies in between, it says what the next start has to do.
//   - A [Ledger], falcred.json in the home, is what falcred knows of the home's login:
//     whose it is, who issued it, which tokens of it are used up. It holds no token, and
//     no login is lost with it.
//   - falcred.consumed in the home names every refresh token that was ever used up there.
//     It only grows. [Ledger.Save] writes it, and [Used] reads it.
//
// Whoever makes or writes any of them holds the home's .portalock (daemon/tokenfile); an
// Entry, which its owner has a lock of its own on, may end without. Reading needs no lock.
// Only falcred's own files are touched, and the token file when an Entry is committed:
// regular ones of this user, by no link, where nobody else can put another in their place.
package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	// entryPrefix begins an entry's name. Earlier versions of falcred look for it.
	entryPrefix = ".falcred-spending-"
	// entrySize is what is reserved for the issuer's answer: the largest
	// token file that we would read, and its seal.
	entrySize = tokenfile.MaxSize + 64
)

// Entry is the write-ahead entry of one rotation: the room for the issuer's answer. It is
// made, filled with zeros and fsynced beside the token file *before* the request leaves: a
// full or read-only disk is found out while no token is used up. Its name carries the
// fingerprint of the refresh token that is sent, so that the note which token it is and the
// room for the answer appear and vanish in one step.
//
// Its content says how far the rotation came, whenever the process dies:
//
//	zeros only                      no answer reached the disk: send the token once more
//	tokens NUL sha256(tokens) NUL…  the answer, sealed: commit it
//	line LF text NUL NUL…           a power cut took its end, or its seal: the refresh token is whole
//	anything else                   torn by a power cut: send the token once more
//
// A rotation goes Begin, Record, Trim, Commit. Each of them has reached the disk
// when it returns. An entry that is not committed ends by Discard, Keep or Abandon.
//
// The file of an entry that is in use is locked (flock). Even where a neighbour has broken
// .portalock by unlinking it, no two daemons send the same token.
//
// An Entry is for one goroutine at a time.
type Entry struct {
	path    string
	file    disk.File
	resumed bool // the token was sent before, or may have been, and how that ended is unknown: it stays until it is settled
}

// ErrBusy is returned by [Begin] while another process rotates the same token.
var ErrBusy = errors.New("another falcred is refreshing with this token")

// Path is the name of the entry for refresh, beside target: the token file behind
// any links.
func Path(target, refresh string) string {
	return filepath.Join(filepath.Dir(target), entryPrefix+tokenfile.Fingerprint(refresh))
}

// PrintOf is the fingerprint of the refresh token that the entry at path is for.
func PrintOf(path string) string { return strings.TrimPrefix(filepath.Base(path), entryPrefix) }

// Exists reports whether refresh has an entry beside target: a rotation of it was
// begun, and how it ended is not settled.
func Exists(target, refresh string) bool {
	_, err := disk.Lstat(Path(target, refresh))
	return err == nil
}

// Begin makes the entry for rotating refresh, or takes over the one that an
// unfinished rotation of the same token has left. Where it fails, the token must not be
// sent, since its answer could not be kept.
func Begin(target, refresh string) (*Entry, error) {
	e := &Entry{path: Path(target, refresh)}
	file, err := strict.Open(e.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) || strict.Blocked(e.path, err) {
		e.resumed = true // whatever stands there: the token may have been sent
		file, err = resume(e.path)
	}
	if err != nil {
		return nil, err
	}
	e.file = file
	if err := disk.TryLock(file); err != nil {
		file.Close()
		return nil, ErrBusy
	}
	if !e.named() { // its owner has settled it before we had its lock
		e.release()
		return nil, ErrBusy
	}
	if err := e.reserve(); err != nil {
		e.Abandon()
		return nil, err
	}
	return e, nil
}

// resume opens what an unfinished rotation has left. What is no file of ours is set aside. One
// that others can read, that has a second name, or that a process of another user has locked, is
// replaced by a copy, which is ours alone; not while another falcred is at work with it.
func resume(path string) (disk.File, error) {
	file, err := strict.OpenRepaired(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil || !fsx.Exposed(info) && !fsx.HeldByOthers(path) {
		return file, err
	}
	defer file.Close() // which keeps a falcred out meanwhile that has it open
	if disk.TryLock(file) != nil && fsx.HeldByUs(path) {
		return nil, ErrBusy
	}
	if err := fsx.CopyAnew(path, entrySize); err != nil {
		return nil, err
	}
	return strict.Open(path, os.O_RDWR, 0)
}

// named reports whether the path still names the file that is locked.
func (e *Entry) named() bool {
	held, err := e.file.Stat()
	if err != nil {
		return false
	}
	now, err := disk.Lstat(e.path)
	return err == nil && disk.SameFile(held, now)
}

var zeros [entrySize]byte

// reserve writes zeros rather than asking for space: every file system
// understands it. What an earlier owner left is kept if it is an answer.
func (e *Entry) reserve() error {
	if e.resumed {
		if _, _, ok := readAnswer(e.file); ok {
			return nil
		}
	}
	if _, err := e.file.WriteAt(zeros[:], 0); err != nil {
		return err
	}
	if err := fsx.Sync(e.file); err != nil {
		return err
	}
	return fsx.SyncFolder(filepath.Dir(e.path))
}

// MarkSent notes that the token was sent, and its answer was lost: from now on
// [Entry.Abandon] keeps the entry, and the next try is a replay.
func (e *Entry) MarkSent() { e.resumed = true }

// Record brings the issuer's answer to the disk, sealed. Nothing stands between the
// issuer's word and this: what it does not reach dies with the process.
func (e *Entry) Record(answer tokenfile.TokenPair) error {
	data := answer.Bytes()
	sum := sha256.Sum256(data)
	sealed := append(append(bytes.Clone(data), 0), sum[:]...)
	if _, err := e.file.WriteAt(sealed, 0); err != nil {
		return err
	}
	return fsx.Sync(e.file)
}

// Answer is what Record has written, in this process or an earlier one. It is exactly
// that, or there is none. One that was trimmed has lost its seal, and anything printable looks
// like it: it counts where l, which is saved before, names it as the newest, or where its access
// token can be read.
func (e *Entry) Answer(l Ledger) (tokenfile.TokenPair, bool) { return l.believe(e.file) }

func (l Ledger) believe(file io.ReaderAt) (tokenfile.TokenPair, bool) {
	answer, ours, ok := readAnswer(file)
	if _, readable := tokenfile.Payload(answer.Access); ok && (ours || readable || l.IsTip(answer.Refresh)) {
		return answer, true
	}
	return tokenfile.TokenPair{}, false
}

// readAnswer reads an answer with its seal, or one that was already trimmed for the rename,
// which happens only after the sealed content is safe. ours says that the content can be by
// nothing but [Entry.Record].
//
// A power cut before the fsync that follows a trim can leave the length as it was and zeros
// where the seal stood, and one before the fsync of the record can leave its beginning. What
// comes after the first line may be cut then, so the answer is that line alone: with it the
// login goes on.
func readAnswer(file io.ReaderAt) (answer tokenfile.TokenPair, ours, ok bool) {
	content, err := io.ReadAll(io.NewSectionReader(file, 0, entrySize))
	if err != nil {
		return answer, false, false
	}
	data, rest, ours := bytes.Cut(content, []byte{0})
	if sum := sha256.Sum256(data); ours && !bytes.HasPrefix(rest, sum[:]) {
		line, _, more := bytes.Cut(data, []byte{'\n'})
		if !more || len(content) != entrySize || !bytes.Equal(rest, zeros[:len(rest)]) {
			return answer, false, false
		}
		data = line
	}
	if len(data) > tokenfile.MaxSize {
		return answer, false, false
	}
	answer, err = tokenfile.Parse(data)
	return answer, ours, err == nil
}

// Trim cuts the recorded answer to what the token file is to hold. Call it before the token
// file is compared for the last time, so that nothing but a rename comes after that.
func (e *Entry) Trim(answer tokenfile.TokenPair) error {
	if err := e.file.Truncate(int64(len(answer.Bytes()))); err != nil {
		return err
	}
	return fsx.Sync(e.file)
}

// Commit moves the trimmed answer over the token file, which is on the disk when it returns,
// and the entry is no more. Where it fails the entry is as it was. What somebody has put in the
// entry's place is no answer.
func (e *Entry) Commit(f tokenfile.File, target string, answer tokenfile.TokenPair) error {
	if e.InPlace() && !e.named() { // one that has gone, Install speaks of
		return errors.New("another program has replaced the note that falcred made before this refresh")
	}
	if err := f.Install(e.path, target, answer); err != nil {
		return err
	}
	e.release()
	return nil
}

// Discard removes the entry of a rotation that used nothing up, or is settled.
func (e *Entry) Discard() {
	disk.Remove(e.path)
	e.release()
}

// Keep leaves on disk what is there, for the next try.
func (e *Entry) Keep() { e.release() }

// release unlocks the file before it is closed: a program that is being started on another
// thread has its descriptor too until its exec, and the lock would stay as long.
func (e *Entry) release() {
	disk.Unlock(e.file)
	e.file.Close()
}

// Abandon gives up an entry whose token this try has not used up: it is discarded, or
// kept where an earlier try may have.
func (e *Entry) Abandon() {
	if e.resumed {
		e.Keep()
		return
	}
	e.Discard()
}

// InPlace reports whether the entry still has its name: not in a folder that was
// moved or taken away.
func (e *Entry) InPlace() bool {
	_, err := disk.Lstat(e.path)
	return err == nil
}

// Others lists the paths of entries beside target that are not for refresh; all of
// them where refresh is "".
func Others(target, refresh string) []string {
	mine := Path(target, refresh)
	return slices.DeleteFunc(fsx.Beside(target, entryPrefix), func(path string) bool { return path == mine || strict.IsAside(path) })
}

// Peek reads the answer in the entry at path, if there is one ([Entry.Answer]), and changes
// nothing.
func Peek(path string, l Ledger) (answer tokenfile.TokenPair, ok bool) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return tokenfile.TokenPair{}, false
	}
	defer file.Close()
	return l.believe(file)
}

// Clear removes the entry at path, which no rotation needs any more, unless another process
// uses it. It returns the answer that was in it, if any.
func Clear(path string, l Ledger) (answer tokenfile.TokenPair, ok bool) {
	file, err := strict.OpenRepaired(path, os.O_RDWR, 0) // what is no file of ours is set aside
	if err != nil {
		return tokenfile.TokenPair{}, false
	}
	e := &Entry{path: path, file: file}
	if disk.TryLock(file) != nil || !e.named() { // in use, or just settled
		file.Close()
		return tokenfile.TokenPair{}, false
	}
	answer, ok = e.Answer(l)
	e.Discard()
	return answer, ok
}

// Deletable is why target, or a file beside it, could not be deleted, nil where it could: a full
// disk lets files go. It is found out before a login is revoked, since a revoked login
// that stays in its file helps nobody. What a kill leaves of the attempt is removed as an
// unfinished entry is.
func Deletable(target string) error {
	if err := disk.Replaceable(target); err != nil {
		return fsx.Cause(err)
	}
	return fsx.Cause(fsx.Deletable(filepath.Dir(target), entryPrefix+"probe-"))
}
