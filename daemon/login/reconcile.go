package login

import (
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/strict"
)

// reconcile reads the token file and takes over what others did to it (F3). It needs no
// lock; what has to be written because of it is left to a rotation.
func (m *Manager) reconcile() Reading {
	for {
		r := m.read()
		if !m.apply(Read{r}).Outdated {
			return r
		}
	}
}

// read is one reading of the token file, with what the home says of another token than
// the one held: whether that was used up (F5), and whether falcred put it there. Where a
// living login is held and nobody can tell whether the other was used up, the file is
// unusable: the one held is served meanwhile. What falcred has noted as the newest was not.
func (m *Manager) read() Reading {
	r, err := readAnyway(m)
	state := m.Snapshot().State
	switch {
	case err != nil && r.Held.Refresh != "" && r.Held.Refresh != r.Pair.Refresh && state.living() && !r.Known.IsTip(r.Pair.Refresh):
		r.Content = r.Because(errUseUnknown(m.file.Path, err),
			"make "+filepath.Join(m.cfg.Home, journal.ConsumedName)+" a readable file of yours, or move it away: it holds no login")
	case err != nil:
		warnUnreadable(m, err)
	}
	return r
}

// readAnyway is a reading that keeps what the file holds, and why nobody can tell whether
// that was used up.
func readAnyway(m *Manager) (r Reading, unreadable error) {
	s := &m.Snapshot().State
	r = Reading{Content: m.file.Read(), Held: s.Tokens.TokenPair, Rev: s.fileRev}
	if r.State != tokenfile.Holds || r.Pair.Refresh == r.Held.Refresh && s.Phase != Missing { // whose file vanished: it may have been a logout since
		return r, nil
	}
	r.Known, _ = journal.Load(m.cfg.Home)
	r.Used, unreadable = used(s.Ledger, m.cfg.Home, r.Pair.Refresh)
	return r, unreadable
}

func warnUnreadable(m *Manager, err error) {
	m.Warn(filepath.Join(m.cfg.Home, journal.ConsumedName) + " cannot be read, so nobody can tell which refresh tokens were used up: " + fsx.Cause(err).Error())
}

// used says whether a refresh token was used up in a home.
func used(known journal.Ledger, home, refresh string) (bool, error) {
	if refresh == "" || known.Consumed(refresh) {
		return refresh != "", nil
	}
	return journal.Used(home, refresh)
}

// abandoned lists temporary files that a killed writer has left. The lock is held, so
// none of them is in use by a falcred that respects it.
func abandoned(target, home string) (found []string) {
	found = fsx.Temporaries(target)
	for _, name := range []string{journal.LedgerName, events.HistoryName, tokenfile.LockName} {
		found = append(found, fsx.Temporaries(filepath.Join(home, name))...)
	}
	return found
}

// aside is what the warning about damaged files begins with.
const aside = "set aside as damaged: "

// nameAside names the files of falcred's own that were damaged, whichever part of it, or which
// program, has set them aside, for as long as they are there.
func nameAside(m *Manager) {
	found := strict.Aside(m.cfg.Home)
	target, err := m.file.Target()
	if folder := filepath.Dir(target); err == nil && folder != filepath.Clean(m.cfg.Home) {
		found = append(found, strict.Aside(folder)...)
	}
	why := ""
	if len(found) > 0 {
		why = strings.Join(found[:min(len(found), 8)], ", ") + "\n" + strict.AsideHint
	}
	m.WarnInstead(aside, why)
}
