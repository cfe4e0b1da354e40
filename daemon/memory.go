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

	"github.com/falcred/falcred/protocol/strict"
)

// memoryFile is what falcred remembers in the home. It holds no token.
const memoryFile = "falcred.json"

// maxSpent bounds the list of consumed tokens in memory, and savedSpent in
// falcred.json, which earlier versions of falcred read: falcred.consumed has them all.
const (
	maxSpent   = 256
	savedSpent = 64
)

// memory outlives the daemon. It is read anew and written under .portalock
// only: daemons that share a home all write it.
type memory struct {
	Issuer     string       // R13: whose tokens this home holds
	Spent      []string     // F5: fingerprints of the refresh tokens consumed last
	Tip        string       // R10: fingerprint of the newest refresh token that falcred was given…
	Subject    string       // …the account that it belongs to…
	TipIssued  int64        `json:",omitempty"` // …and the iat of the access token that came with it, in s since 1970
	Doubt      doubted      `json:",omitzero"`  // R10: of the login of Tip
	Wrong      fingerprints `json:",omitzero"`  // R10: logins whose ID token was wrong
	Unverified string       // R10: the same for versions that knew no doubt: fingerprint of an access token
	Team       resolved     // the last team that was resolved
}

// step is one link of the chain: from was consumed, and to came for it. It says
// whose account the chain was so far, "" where falcred had no part in it.
func (m *memory) step(from string, to pair) (subject string) {
	subject = m.subjectOf(from)
	if from != to.refresh {
		m.spend(from)
	}
	m.setTip(to, subject)
	m.Doubt = m.Doubt.step(from, to.refresh)
	return subject
}

// setTip notes the newest refresh token that falcred was given.
func (m *memory) setTip(p pair, subject string) {
	m.Tip, m.Subject, m.TipIssued = fingerprint(p.refresh), subject, 0
	if c, ok := parseClaims(p.access); ok && !c.Issued.IsZero() {
		m.TipIssued = c.Issued.Unix()
	}
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

// follow takes over what another knows of the newest login.
func (m *memory) follow(other memory) {
	m.Tip, m.Subject, m.TipIssued, m.Doubt = other.Tip, other.Subject, other.TipIssued, other.Doubt
}

// learn adds what only grows: it is true whoever knows it. Of two lists the one whose
// newest entry the other has, too, is the older: its own entries come before the
// other's, so that what is left out for room is what is oldest.
func (m *memory) learn(other memory) {
	extra := slices.DeleteFunc(slices.Clone(other.Spent), func(print string) bool { return slices.Contains(m.Spent, print) })
	if len(extra) < len(other.Spent) && slices.Contains(m.Spent, other.Spent[len(other.Spent)-1]) {
		m.Spent = newest(slices.Concat(extra, m.Spent), maxSpent)
	} else {
		m.Spent = newest(slices.Concat(m.Spent, extra), maxSpent)
	}
	m.Wrong = m.Wrong.with(other.Wrong...)
	m.Unverified = firstOf(m.Unverified, other.Unverified)
}

// merge adds what this daemon knows and could not write.
func (m *memory) merge(unwritten memory) {
	m.learn(memory{Spent: unwritten.Spent, Wrong: unwritten.Wrong})
	if unwritten.Tip != "" && !slices.Contains(m.Spent, unwritten.Tip) {
		m.follow(unwritten)
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
	if strict.As(err) != nil {
		return m, err
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
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTokenFile+1))
	if err == nil && len(data) > maxTokenFile {
		err = fmt.Errorf("%s has more than %d bytes, more than falcred writes", path, maxTokenFile)
	}
	return data, err
}

// save writes falcred.json, and before that what falcred.consumed lacks. The lock is
// held.
func (m memory) save(home string) error {
	err := consumedIn(home).ensure(m.Spent)
	m.Spent = newest(m.Spent, savedSpent)
	return errors.Join(err, m.write(home))
}

func (m memory) write(home string) error {
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
	m.Spent = newest(append(m.Spent, print), maxSpent)
}

// newest are the last n of them.
func newest(prints []string, n int) []string { return prints[max(0, len(prints)-n):] }

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
