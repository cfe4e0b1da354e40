package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/falcred/falcred/protocol"
)

const mendSignOut = "try again when the issuer can be reached, or delete it here only: falcred logout --local"

// signOut revokes and then deletes. Both happen under the lock: a neighbour must
// not meet the revoked token and delete or replay it first. local leaves the
// issuer out.
func (l *Login) signOut(local bool) (done protocol.EraseAnswer, err error) {
	if !local {
		if err := l.cfg.checkToken(l.file.read().pair.access); err != nil {
			return done, protocol.Errorf(protocol.CodeDenied, "still logged in: %v", err)
		}
		// Outside the lock: it can take seconds.
		if _, err := l.issuer.discover(context.Background()); err != nil {
			return done, protocol.Errorf(protocol.CodeUnavailable, "still logged in: %v\n%s", err, mendSignOut)
		}
	}
	e, err := l.begin()
	if err != nil {
		return done, asWire(err)
	}
	defer e.end()
	r := e.file.read()
	if r.state == fileUnusable {
		return done, protocol.Errorf(protocol.CodeInternal, "%s\n%s", r.err, r.mend())
	}
	if !local {
		if err := e.cfg.checkToken(r.pair.access); err != nil {
			return done, protocol.Errorf(protocol.CodeDenied, "still logged in: %v", err)
		}
		e.recordIssuer()
	}
	living := e.living(r)
	if len(living) == 0 {
		return done, protocol.ErrNotFound
	}
	if !local {
		if err := e.deletable(r); err != nil {
			return done, protocol.Errorf(protocol.CodeInternal, "still logged in: the token file cannot be deleted: %v\n%s", err, mendDisk)
		}
		if done.Revoked, err = e.revokeAll(living); err != nil {
			return done, protocol.Errorf(protocol.CodeUnavailable, "still logged in: %v\n%s", err, mendSignOut)
		}
	}
	if err := e.delete(r); err != nil {
		return done, err
	}
	e.forget(living, local)
	return done, e.unsetTeam()
}

// forget tells this daemon, and by falcred.json every other one of the home: none
// of them puts back what was logged out of here (F7).
func (e *errand) forget(living []string, local bool) {
	why := "falcred logout, or erase"
	if local {
		why += ", without revoking"
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, refresh := range living {
		e.memory.spend(refresh)
	}
	e.saveMemoryLocked()
	e.leaving = false
	e.forgetLocked(why)
}

// revokeAll reports false for an issuer that cannot revoke: a logout there is
// the deletion of the file.
func (e *errand) revokeAll(living []string) (revoked bool, err error) {
	for _, refresh := range living {
		err := e.issuer.revoke(e.ctx, refresh)
		if errors.Is(err, errNoRevocation) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// deletable finds out before the issuer is told whether the file could go: a
// revoked login that stays in the file helps nobody.
func (e *errand) deletable(r reading) error {
	if r.state == fileAbsent {
		return nil
	}
	probe, err := os.CreateTemp(filepath.Dir(e.target), placePrefix+"probe-*")
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil // a full disk lets files go
	}
	if err != nil {
		return nameless(err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// delete takes the login off the disk, if the file is still as it was (F5).
func (e *errand) delete(r reading) error {
	if err := e.unchanged(r); errors.Is(err, errChanged) {
		return protocol.Errorf(protocol.CodeDenied, "another login landed in the token file meanwhile; it was kept")
	} else if err != nil {
		return asWire(err)
	}
	if r.state != fileAbsent {
		e.setLeaving(true)
		if err := os.Remove(e.target); err != nil { // behind a symlink, which stays (F2)
			e.setLeaving(false)
			return protocol.Errorf(protocol.CodeInternal, "the token file cannot be deleted: %v\n%s", err, mendDisk)
		}
	}
	for _, path := range otherPlaces(e.target, "") {
		clearPlace(path)
	}
	return nil
}

func (e *errand) setLeaving(leaving bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaving = leaving
}

// unsetTeam: the next login may be somebody else's, as the CLI's logout has it.
func (l *Login) unsetTeam() error {
	if l.cfg.REST == "" {
		return nil
	}
	err := l.cfg.FalConfig.UnsetTeam()
	l.checkTeam()
	if err != nil {
		return protocol.Errorf(protocol.CodeInternal, "logged out, but the team could not be unset: %v\n"+
			"the next login would be attributed to it: falcred team unset", err)
	}
	return nil
}

// living are the refresh tokens that the login's grant hangs on: the file's,
// unless its successor is here already and could not be put in place (R4, R5).
// Where the file holds none, what was held, or what came for it, still lives.
func (e *errand) living(r reading) []string {
	switch {
	case r.state != fileHolds && e.held.refresh != "":
		return []string{e.held.refresh}
	case r.state != fileHolds:
		return e.sealed()
	}
	e.mu.Lock()
	spent := e.memory.spent(r.pair.refresh)
	e.mu.Unlock()
	if e.held.refresh != "" && (spent || e.unsent == r.pair.refresh) {
		return []string{e.held.refresh}
	}
	if answer, ok := peekPlace(placePath(e.target, r.pair.refresh)); ok {
		return []string{answer.refresh}
	}
	return []string{r.pair.refresh}
}

// sealed are answers on the disk that were never put in place.
func (e *errand) sealed() (refresh []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, path := range otherPlaces(e.target, "") {
		if answer, ok := peekPlace(path); ok && !e.memory.spent(answer.refresh) {
			refresh = append(refresh, answer.refresh)
		}
	}
	return refresh
}
