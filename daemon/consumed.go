package daemon

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/falcred/falcred/protocol/strict"
)

// consumedFile names every refresh token that was ever used up in this home, so
// that none is sent a second time, however old the copy that turns up (F5).
const consumedFile = "falcred.consumed"

// consumedRecord is what names one token: the first bytes of its SHA-256. The file
// has one after the other and nothing else, so that it needs no parser and a torn
// write spoils nothing but itself.
const consumedRecord = 16

// consumedRecent is how many of the newest records ensure looks at: far more than
// falcred.json lists, and 16 KiB. A record that is further back is appended twice,
// which does no harm.
const consumedRecent = 1024

// consumedTokens is that file. It is appended to under .portalock and never
// rewritten: 16 bytes for each refresh, so 300 KiB for a year of tokens that live for
// an hour. It is scanned, not held in memory, and only where a refresh token turns up
// that is not the one held.
type consumedTokens struct{ path string }

func consumedIn(home string) consumedTokens {
	return consumedTokens{filepath.Join(home, consumedFile)}
}

// contains may be called without the lock: what is being appended is either there
// or not.
func (c consumedTokens) contains(print string) (bool, error) {
	file, err := strict.Open(c.path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	wanted := recordsOf([]string{print})
	record := make([]byte, consumedRecord)
	for in := bufio.NewReaderSize(file, 64<<10); ; {
		switch _, err := io.ReadFull(in, record); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // or a torn tail
			return false, nil
		case err != nil:
			return false, err
		case bytes.Equal(record, wanted):
			return true, nil
		}
	}
}

// ensure appends what of prints is not among the newest records, in one write, and
// brings it to the disk. .portalock is held. It is what records a refresh, what takes
// over the list of an earlier version, and what repairs a file that was deleted or put
// back from a backup: each time what is known elsewhere is made to stand here too.
func (c consumedTokens) ensure(prints []string) error {
	if len(prints) == 0 {
		return nil
	}
	file, err := strict.Open(c.path, os.O_RDWR, 0)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		file, err = strict.Open(c.path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	recent, size, err := readRecent(file)
	if err != nil {
		return err
	}
	missing := recordsOf(slices.DeleteFunc(slices.Clone(prints), func(p string) bool { return recent[p] }))
	if len(missing) == 0 {
		return nil
	}
	if _, err := file.WriteAt(missing, size); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if made {
		return syncFolder(filepath.Dir(c.path))
	}
	return nil
}

// readRecent returns the newest records, and where the next one goes: over a torn
// tail, which names no token.
func readRecent(file *os.File) (recent map[string]bool, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	size = info.Size() - info.Size()%consumedRecord
	from := max(0, size-consumedRecent*consumedRecord)
	data := make([]byte, size-from)
	if _, err := file.ReadAt(data, from); err != nil && len(data) > 0 {
		return nil, 0, err
	}
	recent = map[string]bool{}
	for record := range slices.Chunk(data, consumedRecord) {
		recent[hex.EncodeToString(record)] = true
	}
	return recent, size, nil
}

// recordsOf leaves out what names no token: falcred.json may have been edited.
func recordsOf(prints []string) (data []byte) {
	for _, print := range prints {
		if record, err := hex.DecodeString(print); err == nil && len(record) == consumedRecord {
			data = append(data, record...)
		}
	}
	return data
}

// recorded says whether a refresh token was used up in this home. It may read a file,
// so it is not for holders of mu.
func (l *Login) recorded(refresh string) (bool, error) {
	l.mu.Lock()
	known := l.memory.spent(refresh)
	l.mu.Unlock()
	if known || refresh == "" {
		return known, nil
	}
	return consumedIn(l.cfg.Home).contains(fingerprint(refresh))
}

// consumed is recorded for a token that is about to be used for good reasons: what
// cannot be read speaks against nothing.
func (l *Login) consumed(refresh string) bool {
	found, err := l.recorded(refresh)
	if err != nil {
		l.warn("falcred's list of consumed tokens cannot be read: " + nameless(err).Error())
	}
	return found
}

// judged makes a reading unusable where another token than the one held is in the file,
// and nobody can tell whether it was used up: the one held is served meanwhile.
func (l *Login) judged(r reading) reading {
	l.mu.Lock()
	held := l.login.refresh
	l.mu.Unlock()
	if r.state != fileHolds || held == "" || r.pair.refresh == held {
		return r
	}
	_, err := l.recorded(r.pair.refresh)
	if err == nil {
		return r
	}
	what, _ := parts(err)
	return reading{
		state: fileUnusable,
		err:   fmt.Errorf("another token is in %s, and whether it was used up cannot be told: %s", l.file.path, what),
		fix:   "make " + consumedIn(l.cfg.Home).path + " readable, or move it away: it holds no login",
	}
}

// stale says that a pair in the token file must be neither adopted nor sent (F5): its
// refresh token is consumed, or it is an old copy of the living login held. The held one
// goes back then, before an unmodified SDK uses the stale one. What falcred has noted as
// the newest, here or elsewhere, is no old copy. As recorded, it is not for holders of
// mu.
func (l *Login) stale(p pair) bool {
	l.mu.Lock()
	held, living := l.login, !l.stuck && l.dead != l.login.refresh
	known := l.memory.spent(p.refresh)
	l.mu.Unlock()
	if known || p.refresh == held.refresh {
		return known
	}
	if living && fromFile(p, time.Now()).copiedBefore(held) {
		noted, err := loadMemory(l.cfg.Home)
		if err != nil || !noted.issued(p.refresh) {
			return true
		}
	}
	return l.consumed(p.refresh)
}

// tolerableAge is how much older than the token held one of the same account may be
// and still be news: issuers have several machines, with clocks of their own.
const tolerableAge = 5 * time.Minute

// copiedBefore knows an old copy of a login by its access token, whoever used its
// refresh token up: a rotation's access tokens only get younger.
func (t token) copiedBefore(held token) bool {
	return t.sameAccount(held) && held.issued.Sub(t.issued) > tolerableAge
}

// sameAccount says that both access tokens name one account and their time.
func (t token) sameAccount(other token) bool {
	return t.subject != "" && t.subject == other.subject && sameIssuer(t.issuer, other.issuer) &&
		!t.issued.IsZero() && !other.issued.IsZero()
}

// replacedLocked is told which login was held before another one was adopted. One that
// a neighbour has rotated is consumed, like one of ours (F5): it was in the file, the
// new token of its account is younger, and that came neither within siblingWindow of
// our own refresh nor by another falcred. Any other is kept as the fallback, until the
// adopted one has proved itself.
func (l *Login) replacedLocked(before token, unsaved bool, now time.Time) {
	m, adopted := &l.memory, l.login
	if m.issued(adopted.refresh) && before.refresh == "" {
		return
	}
	if before.refresh == "" { // what was held before this start is known by its fingerprint only
		younger := adopted.issued.Sub(time.Unix(m.TipIssued, 0))
		if m.TipIssued != 0 && m.Subject != "" && m.Subject == adopted.subject && younger >= siblingWindow {
			tip := m.Tip
			l.work.Go(func() { l.rotatedBefore(tip) })
		}
		return
	}
	rotated := !unsaved && adopted.sameAccount(before) && adopted.issued.After(before.issued) && now.Sub(l.refreshed) >= siblingWindow
	if rotated && !m.issued(adopted.refresh) {
		m.spend(before.refresh)
		if l.fallback.refresh == before.refresh {
			l.fallback = fallback{}
		}
		l.unwritten = true
		l.work.Go(func() { l.remember(func(*memory) {}) })
		return
	}
	if l.fallback.refresh == "" && before.refresh != l.dead && !m.spent(before.refresh) {
		l.fallback = fallback{before.refresh, before.subject}
	}
}

// rotatedBefore writes down that a neighbour used the newest token up while no daemon
// ran. One whose answer still lies beside the file was in nobody's hands but ours.
func (l *Login) rotatedBefore(tip string) {
	if target, err := l.file.target(); err != nil || len(otherPlaces(target, "")) > 0 {
		return
	}
	l.remember(func(m *memory) { m.spendFingerprint(tip) })
}
