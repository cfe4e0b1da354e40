package login

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// stillIn is the answer to a logout that could not be revoked: nothing was changed.
func stillIn(err error) error {
	text, hint, _ := strings.Cut(err.Error(), "\n") // discovery has a hint of its own
	return protocol.Errorf(protocol.CodeUnavailable, "still logged in: %s\n%s, or delete it here only: falcred logout --local",
		text, cmp.Or(hint, httpx.Said(err).Hint(), "try again when the issuer can be reached"))
}

// Erase logs out for a client: revoke, then delete. It acts on fal's own hosts only, and
// goes before every store that waits. The account is remembered: store takes no other after
// it (§4).
func (m *Manager) Erase(q protocol.Query) (protocol.EraseAnswer, error) {
	if !m.cfg.Servers.IsFal(q.ServerURL) || nobody(m) { // neither of which needs the lock, or a turn
		return protocol.EraseAnswer{}, protocol.ErrNotFound
	}
	one := &waiter{erases: true, pace: &m.queue.erases}
	if q.Local {
		one.pace = nil
	}
	if err := m.queue.enter(m.ending, one); err != nil {
		return protocol.EraseAnswer{}, err
	}
	done, err := protocol.EraseAnswer{}, error(protocol.ErrNotFound)
	if !nobody(m) { // by now
		done, err = m.logout(q.Local, true)
	}
	m.queue.leave(one, err != nil && err != protocol.ErrNotFound)
	return done, err
}

// nobody says that there is no login to end.
func nobody(m *Manager) bool { return !m.Snapshot().State.held() && nothingIn(m.file) }

// nothingIn says that there is no login to end: no token file, and no answer beside it.
func nothingIn(file tokenfile.File) bool {
	_, err := disk.Lstat(file.Path)
	return errors.Is(err, fs.ErrNotExist) && len(journal.Others(file.Path, "")) == 0
}

// Logout ends the login of a home where no daemon runs: revoke, then delete. local leaves
// the issuer out.
func Logout(cfg Config, local bool) (protocol.EraseAnswer, error) {
	if nothingIn(tokenfile.In(cfg.Home, nil)) {
		return protocol.EraseAnswer{}, protocol.ErrNotFound // and no home is made to say so
	}
	if err := fsx.MakeHome(cfg.Home); err != nil {
		return protocol.EraseAnswer{}, err
	}
	m, err := Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return protocol.EraseAnswer{}, err
	}
	defer m.Close()
	return m.logout(local, false)
}

// logout revokes and then deletes. Both happen under the lock: a neighbour must not meet
// the revoked token and delete or replay it first. local leaves the issuer out; wire says
// that a client asked for it.
func (m *Manager) logout(local, wire bool) (done protocol.EraseAnswer, err error) {
	if !local {
		if err := m.cfg.CheckToken(m.file.Read().Pair.Access); err != nil {
			return done, protocol.Errorf(protocol.CodeDenied, "still logged in: %v", err)
		}
		// Outside of the lock: it can take seconds, and more.
		if err := m.issuer.Ready(m.ending.side); err != nil {
			return done, stillIn(err)
		}
	}
	t, err := begin(m.ending.side, m, aClients)
	if err != nil {
		return done, asWire(err)
	}
	defer t.end()
	r, unreadable := readAnyway(m)
	if unreadable != nil { // it stops no logout (F6): what the file holds is ended
		warnUnreadable(m, unreadable)
	}
	if r.State == tokenfile.Unusable {
		return done, protocol.Errorf(protocol.CodeInternal, "%s\n%s", r.Err, r.Hint())
	}
	if !local {
		if err := m.cfg.CheckToken(r.Pair.Access); err != nil {
			return done, protocol.Errorf(protocol.CodeDenied, "still logged in: %v", err)
		}
		t.recordIssuer()
	}
	living := t.living(r)
	if len(living) == 0 {
		return done, protocol.ErrNotFound
	}
	if !local {
		if err := t.deletable(r); err != nil {
			return done, protocol.Errorf(protocol.CodeInternal, "still logged in: the token file cannot be deleted: %v\n%s", err, fsx.Hint(err))
		}
		if done.Revoked, err = t.revoke(living); err != nil {
			return done, stillIn(err)
		}
	}
	account := t.account(r)
	if err := t.delete(r.Content); err != nil {
		return done, err
	}
	if wire && account != "" {
		m.apply(Noted{Note{Erased: &journal.Erased{Subject: account, At: clock.Now().UnixNano()}}})
	}
	t.ended(living, local)
	return done, unsetTeam(m)
}

// ended notes a logout. By falcred.json every other daemon of the home hears of it: none puts
// back what was logged out of here (F7).
func (t *transaction) ended(living []tokenfile.TokenPair, local bool) {
	var consumed ConsumedHere
	for _, p := range living {
		consumed.Refresh = append(consumed.Refresh, p.Refresh)
	}
	s := t.m.Snapshot().State
	for _, held := range []string{s.Tokens.Refresh, s.Fallback.Refresh} { // which another may hold that has not seen the login after it
		if held != "" && !slices.Contains(consumed.Refresh, held) {
			consumed.Refresh = append(consumed.Refresh, held)
		}
	}
	t.m.apply(consumed)
	t.m.apply(Noted{Note{Person: &journal.Person{}}}) // who it was is nobody's business any more
	why := "by falcred logout or erase"
	if local {
		why += ", not revoked at the issuer"
	}
	t.m.apply(Ended{why})
	t.saveLedger()
}

// living are the refresh tokens that are valid at the issuer and have to be revoked: the
// file's, unless its successor is here already and could not be moved into the file (R4,
// R5). Where the file holds none, what was held, or what came for it, is still valid.
func (t *transaction) living(r Reading) []tokenfile.TokenPair {
	s := &t.m.Snapshot().State
	switch {
	case r.State != tokenfile.Holds && s.held():
		return []tokenfile.TokenPair{s.Tokens.TokenPair}
	case r.State != tokenfile.Holds:
		return t.sealed()
	}
	if meaning := classify(r, *s); s.held() && (meaning == Behind || meaning == Consumed) {
		return []tokenfile.TokenPair{s.Tokens.TokenPair}
	}
	if answer, whole := journal.Peek(journal.Path(t.target, r.Pair.Refresh), s.Ledger); whole {
		return []tokenfile.TokenPair{answer}
	}
	return []tokenfile.TokenPair{r.Pair}
}

// account is whose valid login is about to end, "" where that is not known, or none is
// valid: then any other may come.
func (t *transaction) account(r Reading) string {
	s := &t.m.Snapshot().State
	switch {
	case s.over():
		return ""
	case s.held():
		return s.Subject()
	}
	return cmp.Or(s.Ledger.SubjectOf(r.Pair.Refresh), tokenfile.Dated(r.Pair, clock.Now()).Subject)
}

// sealed are answers in the journal that never reached the token file.
func (t *transaction) sealed() (answers []tokenfile.TokenPair) {
	for _, path := range journal.Others(t.target, "") {
		if answer, whole := journal.Peek(path, t.m.Snapshot().State.Ledger); whole && !t.wasUsed(answer.Refresh) {
			answers = append(answers, answer)
		}
	}
	return answers
}

// deletable finds out before the issuer is asked whether the file could go: a revoked
// login that stays in the file helps nobody.
func (t *transaction) deletable(r Reading) error {
	if r.State == tokenfile.Absent {
		return nil
	}
	return journal.Deletable(t.target)
}

// revoke reports false for an issuer that cannot: a logout there is the deletion of the
// file.
func (t *transaction) revoke(living []tokenfile.TokenPair) (revoked bool, err error) {
	for _, p := range living {
		err := t.m.issuer.As(clientOf(t.m, p)).Revoke(t.ctx, p.Refresh)
		if errors.Is(err, issuer.ErrNoRevocation) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// delete takes the login off the disk, if the file is still as it was (F5).
func (t *transaction) delete(before tokenfile.Content) error {
	if err := t.unchanged(before); errors.Is(err, errChanged) {
		return protocol.Errorf(protocol.CodeDenied, "another program wrote a new login meanwhile, which was kept\nto log out of that one too: falcred logout")
	} else if err != nil {
		return asWire(err)
	}
	if before.State != tokenfile.Absent {
		t.m.apply(Leaving(true))
		if err := disk.Remove(t.target); err != nil { // behind a symlink, which stays (F2)
			t.m.apply(Leaving(false))
			return protocol.Errorf(protocol.CodeInternal, "the token file cannot be deleted: %v\n%s", err, fsx.Hint(err))
		}
	}
	for _, path := range journal.Others(t.target, "") {
		journal.Clear(path, t.m.Snapshot().State.Ledger)
	}
	t.m.file.SyncFolder(t.target)
	return nil
}

// unsetTeam: the next login may be somebody else's, as the CLI's logout has it.
func unsetTeam(m *Manager) error {
	if m.cfg.REST == "" {
		return nil
	}
	err := m.cfg.FalConfig.UnsetTeam()
	readTeam(m)
	if err != nil {
		return protocol.Errorf(protocol.CodeInternal, "logged out, but the team could not be unset: %v\n"+
			"the next login would be attributed to it: falcred team unset", err)
	}
	return nil
}
