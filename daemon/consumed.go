package daemon

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
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

// consumed says whether a refresh token must not be sent, since it was used up in this
// home. It may read a file, so it is not for holders of mu.
func (l *Login) consumed(refresh string) bool {
	l.mu.Lock()
	known := l.memory.spent(refresh)
	l.mu.Unlock()
	if known || refresh == "" {
		return known
	}
	found, err := consumedIn(l.cfg.Home).contains(fingerprint(refresh))
	if err != nil {
		l.warn("falcred's list of consumed tokens cannot be read: " + nameless(err).Error())
	}
	return found
}

// stale says that a pair in the token file must be neither adopted nor sent (F5): its
// refresh token is consumed, or it is an old copy of the login held. The held one goes
// back then, before an unmodified SDK uses the stale one. As consumed, it is not for
// holders of mu.
func (l *Login) stale(p pair) bool {
	l.mu.Lock()
	held, dead := l.login, l.dead
	known := l.memory.spent(p.refresh)
	l.mu.Unlock()
	if known || p.refresh == held.refresh {
		return known
	}
	if held.refresh != dead && fromFile(p, time.Now()).copiedBefore(held) {
		return true
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
// a neighbour has rotated is consumed, like one of ours (F5): another token of its
// account is younger, and neither came within siblingWindow of our own refresh nor by
// another falcred. Any other is kept as the fallback, until the adopted one has proved
// itself.
func (l *Login) replacedLocked(before token, now time.Time) {
	m, adopted := &l.memory, l.login
	rotated := adopted.sameAccount(before) && adopted.issued.After(before.issued) && now.Sub(l.refreshed) >= siblingWindow
	switch {
	case m.issued(adopted.refresh) && before.refresh == "":
		return
	case before.refresh == "": // what was held before this start is known by its fingerprint only
		younger := adopted.issued.Sub(time.Unix(m.TipIssued, 0))
		if m.TipIssued == 0 || m.Subject == "" || m.Subject != adopted.subject || younger < siblingWindow {
			return
		}
		m.spendFingerprint(m.Tip)
	case rotated && !m.issued(adopted.refresh):
		m.spend(before.refresh)
		if l.fallback.refresh == before.refresh {
			l.fallback = fallback{}
		}
	default:
		if l.fallback.refresh == "" && before.refresh != l.dead && !m.spent(before.refresh) {
			l.fallback = fallback{before.refresh, before.subject}
		}
		return
	}
	l.unwritten = true
	l.work.Go(func() { l.remember(func(*memory) {}) })
}
