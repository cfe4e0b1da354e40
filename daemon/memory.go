package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// memoryFile is what falcred remembers in the home. It holds no token.
const memoryFile = "falcred.json"

// maxSpent bounds the memory of spent tokens. A replay that matters is one of
// the last few; at two refreshes a day, 64 is a month.
const maxSpent = 64

// memory outlives the daemon. It is read anew and written under .portalock
// only: daemons that share a home all write it.
type memory struct {
	Issuer     string   // R13: whose tokens this home holds
	Spent      []string // F5: fingerprints of refresh tokens that falcred has spent
	Tip        string   // R10: fingerprint of the newest refresh token that falcred was given…
	Subject    string   // …and the account that it belongs to
	Unverified string   // R10: fingerprint of an access token whose ID token was wrong
	Team       resolved // the last team that was resolved
}

// step is one link of the chain: from was spent, and to came for it. It says
// whose account the chain was so far, "" where falcred had no part in it.
func (m *memory) step(from, to string) (subject string) {
	subject = m.subjectOf(from)
	if from != to {
		m.spend(from)
	}
	m.Tip, m.Subject = fingerprint(to), subject
	return subject
}

// belongs records the account of a refresh token, if that is still the newest.
func (m *memory) belongs(refresh, subject string) {
	if m.issued(refresh) {
		m.Subject = subject
	}
}

// issued says whether refresh is the newest that falcred was given.
func (m memory) issued(refresh string) bool { return m.Tip == fingerprint(refresh) }

// subjectOf is the account of a refresh token, where falcred knows it.
func (m memory) subjectOf(refresh string) string {
	if m.issued(refresh) {
		return m.Subject
	}
	return ""
}

// learn adds what only grows: it is true whoever knows it.
func (m *memory) learn(other memory) {
	for _, spent := range other.Spent {
		m.spendFingerprint(spent)
	}
	m.Unverified = firstOf(m.Unverified, other.Unverified)
}

// merge adds what this daemon knows and could not write.
func (m *memory) merge(unwritten memory) {
	m.learn(memory{Spent: unwritten.Spent})
	if unwritten.Tip != "" && !slices.Contains(m.Spent, unwritten.Tip) {
		m.Tip, m.Subject = unwritten.Tip, unwritten.Subject
	}
	m.Unverified = firstOf(unwritten.Unverified, m.Unverified)
	if unwritten.Team.ID != "" {
		m.Team = unwritten.Team
	}
}

func loadMemory(home string) (memory, error) {
	var m memory
	data, err := readSmall(filepath.Join(home, memoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("%w\nmove it away: it holds no login, only what falcred remembers of it", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return memory{}, fmt.Errorf("%s is damaged (%v)\ndelete it: it holds no login, only what falcred remembers of it",
			filepath.Join(home, memoryFile), err)
	}
	return m, nil
}

// readSmall reads a file of ours, and no FIFO, device or folder of its name: the
// lock may be held meanwhile.
func readSmall(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || !ownedByUs(info) || info.Size() > maxTokenFile {
		return nil, fmt.Errorf("%s is not a small file of ours", path)
	}
	return io.ReadAll(io.LimitReader(file, maxTokenFile))
}

func (m memory) save(home string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeAtomic(filepath.Join(home, memoryFile), append(data, '\n'))
}

func (m *memory) spend(refresh string) { m.spendFingerprint(fingerprint(refresh)) }

func (m *memory) spendFingerprint(print string) {
	if slices.Contains(m.Spent, print) {
		return
	}
	m.Spent = append(m.Spent, print)
	if extra := len(m.Spent) - maxSpent; extra > 0 {
		m.Spent = slices.Delete(m.Spent, 0, extra)
	}
}

func (m *memory) spent(refresh string) bool { return slices.Contains(m.Spent, fingerprint(refresh)) }

// settleIssuer holds R13: the first daemon in a home records its issuer,
// every later one must have the same. fal's own home is fal's from the start.
func (m *memory) settleIssuer(issuer string, falsHome bool) error {
	if m.Issuer == "" {
		if falsHome && issuer != FalIssuer {
			return fmt.Errorf("~/.fal holds logins of %s; for %s set FAL_HOME_DIR to another folder", FalIssuer, issuer)
		}
		m.Issuer = issuer
	}
	if m.Issuer != issuer {
		return fmt.Errorf("this home holds logins of %s, and FALCRED_ISSUER is %s here\n%s", m.Issuer, issuer, mendIssuer)
	}
	return nil
}
