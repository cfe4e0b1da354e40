package daemon

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/protocol/strict"
)

const (
	placePrefix = ".falcred-spending-"
	// placeSize is what is reserved for the issuer's answer: the largest
	// token file that we would read, and its seal.
	placeSize = maxTokenFile + 64
)

// place is where the answer to a refresh will stand (R4). It is made, filled
// with zeros and fsynced beside the token file *before* the request leaves:
// a full or read-only disk is found out while nothing is spent. Its name is
// the note that R4 asks for: it carries the fingerprint of the refresh token
// being spent, so note and place appear and vanish in one step.
//
// Its content tells how far a refresh came, whenever the process dies:
//
//	zeros only                  no answer reached the disk: replay
//	pair NUL sha256(pair) NUL…  the answer, sealed: put it in place
//	anything else               torn by a power cut: replay
//
// A live place is flock'ed by its owner. Even where a neighbour has broken
// .portalock by unlinking it, no two daemons send the same token.
type place struct {
	path string
	file *os.File
	// maySpent: a request for this token was sent, or was about to be, and how
	// it ended is unknown. The place stays until that is settled.
	maySpent bool
}

var errPlaceBusy = errors.New("another falcred is spending this refresh token")

func placePath(target, refresh string) string {
	return filepath.Join(filepath.Dir(target), placePrefix+fingerprint(refresh))
}

// openPlace makes the place for spending refresh, or takes over the one that
// an unfinished refresh of the same token has left.
func openPlace(target, refresh string) (*place, error) {
	p := &place{path: placePath(target, refresh)}
	file, err := strict.Open(p.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		p.maySpent = true
		file, err = strict.Open(p.path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, err
	}
	p.file = file
	if err := lockPlace(file); err != nil {
		file.Close()
		return nil, errPlaceBusy
	}
	if !p.named() { // its owner has settled it before we had its lock
		file.Close()
		return nil, errPlaceBusy
	}
	if err := p.reserve(); err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// reserve writes zeros rather than asking for space: every filesystem
// understands it. What an earlier owner left is kept if it is an answer.
func (p *place) reserve() error {
	if p.maySpent {
		if _, ok := p.answer(); ok {
			return nil
		}
	}
	if _, err := p.file.WriteAt(make([]byte, placeSize), 0); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(p.path))
}

// abandon gives up a place whose token this try has not spent.
func (p *place) abandon() {
	if p.maySpent {
		p.keep()
		return
	}
	p.discard()
}

// record brings the answer to the disk, sealed.
func (p *place) record(answer pair) error {
	data := answer.format()
	sum := sha256.Sum256(data)
	sealed := append(append(bytes.Clone(data), 0), sum[:]...)
	if _, err := p.file.WriteAt(sealed, 0); err != nil {
		return err
	}
	return p.file.Sync()
}

// answer reads what record has written.
func (p *place) answer() (pair, bool) {
	content, err := io.ReadAll(io.NewSectionReader(p.file, 0, placeSize))
	if err != nil {
		return pair{}, false
	}
	data, rest, sealed := bytes.Cut(content, []byte{0})
	if sealed {
		sum := sha256.Sum256(data)
		if !bytes.HasPrefix(rest, sum[:]) {
			return pair{}, false
		}
	}
	// Without a seal it was already cut to its size for the rename, which
	// happens only after the sealed content is safe.
	answer, err := parsePair(data)
	return answer, err == nil
}

// finish cuts the recorded answer to what the token file is to hold. It is done
// before F5's comparison, so that nothing but a rename comes after that.
func (p *place) finish(answer pair) error {
	if err := p.file.Truncate(int64(len(answer.format()))); err != nil {
		return err
	}
	return p.file.Sync()
}

// commit moves the finished answer over the token file (F2).
func (p *place) commit(file tokenFile, target string, answer pair) error {
	if err := file.install(p.path, target, answer); err != nil {
		return err
	}
	p.keep()
	return nil
}

// discard is for a refresh that spent nothing, or is settled.
func (p *place) discard() {
	os.Remove(p.path)
	p.file.Close()
}

// keep leaves what is on disk for the next try.
func (p *place) keep() { p.file.Close() }

// otherPlaces lists places beside target that are not for refresh.
func otherPlaces(target, refresh string) []string {
	mine := filepath.Base(placePath(target, refresh))
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return nil
	}
	var paths []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, placePrefix) && name != mine {
			paths = append(paths, filepath.Join(filepath.Dir(target), name))
		}
	}
	return paths
}

// peekPlace reads the answer in a place, if there is one.
func peekPlace(path string) (pair, bool) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return pair{}, false
	}
	defer file.Close()
	return (&place{path: path, file: file}).answer()
}

// clearPlace removes a place that no refresh needs any more, unless its owner
// lives. It returns the answer that was in it, if any.
func clearPlace(path string) (pair, bool) {
	file, err := strict.Open(path, os.O_RDWR, 0)
	if err != nil {
		return pair{}, false
	}
	p := &place{path: path, file: file}
	if lockPlace(file) != nil {
		file.Close()
		return pair{}, false
	}
	answer, ok := p.answer()
	p.discard()
	return answer, ok
}

// named says whether the path still names the file that is locked.
func (p *place) named() bool {
	held, err := p.file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(p.path)
	return err == nil && os.SameFile(held, now)
}

// there says whether the place still has its name: not in a folder that was
// moved or taken away.
func (p *place) there() bool {
	_, err := os.Lstat(p.path)
	return err == nil
}
