package login

import (
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// loginGrace is left to somebody who has just written a refresh token without an access
// token. That is `fal auth login`, which refreshes it itself within milliseconds, to list
// the teams, and deletes the file if it is not given a token. Where it has no portalocker
// no lock keeps the two apart: this does, as far as anything can. It needs some tenths of
// a second.
const loginGrace = time.Second

// maxYields bounds how often a rotation gives way: somebody may write such files without
// a pause.
const maxYields = 3

// beginInTurn is begin for a rotation: it gives way to a login that is being made. Who
// asks for a token meanwhile waits for this rotation, and thus for that login.
func beginInTurn(m *Manager) (*transaction, error) {
	for range maxYields {
		giveWay(m)
		t, err := begin(m.ending.side, m, aRotation)
		if err != nil || !t.early() {
			return t, err
		}
		t.end() // it has been written since
		m.reconcile()
	}
	return begin(m.ending.side, m, aRotation)
}

// giveWay waits until the login held is whole, or its writer has had his time.
func giveWay(m *Manager) {
	for limit := clock.Now().Add(maxYields * loginGrace); clock.Now().Before(limit); {
		s := m.Snapshot() // before the file is read, so that no change is missed
		wait := graceLeft(m.file)
		if wait <= 0 || !writersOwn(m.file, m.cfg.Home, s.State.Tokens.TokenPair) {
			return
		}
		task.Wait(min(wait, limit.Sub(clock.Now())), s.Changed())
	}
}

// early says whether the file holds such a login by now, adopted or not.
func (t *transaction) early() bool {
	if graceLeft(t.m.file) <= 0 {
		return false
	}
	c := t.m.file.Read()
	return c.State == tokenfile.Holds && writersOwn(t.m.file, t.m.cfg.Home, c.Pair)
}

// graceLeft goes by the file's own time, so that a daemon that was started a moment ago
// knows it too. One that is far ahead is of another clock, and says nothing.
func graceLeft(file tokenfile.File) time.Duration {
	modified, err := file.Modified()
	if err != nil {
		return 0
	}
	age := clock.Now().Sub(modified)
	if age < -tokenfile.TolerableSkew {
		return 0
	}
	return min(loginGrace-age, loginGrace)
}

// writersOwn says whether its writer is about to refresh a login. Another falcred, which
// has noted what it wrote, is not; and what we have begun with is ours (R4).
func writersOwn(file tokenfile.File, home string, p tokenfile.TokenPair) bool {
	if p.Refresh == "" || p.Access != "" || unfinished(file, p.Refresh) {
		return false
	}
	known, _ := journal.Load(home)
	return !known.IsTip(p.Refresh)
}

// unfinished: a rotation of this token was sent, or was about to be, and its end is
// unknown. It is settled however fresh the access token looks (R4).
func unfinished(file tokenfile.File, refresh string) bool {
	target, err := file.Target()
	return err == nil && refresh != "" && journal.Exists(target, refresh)
}
