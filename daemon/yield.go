package daemon

import (
	"os"
	"time"
)

// loginGrace is left to somebody who has just written a refresh token without an
// access token. That is `fal auth login`, which refreshes it itself within
// milliseconds, to list the teams, and deletes the file if it is not given a token
// (§2). Where it has no portalocker no lock keeps the two apart: this does, as far
// as anything can. It needs some tenths of a second.
const loginGrace = time.Second

// maxYields bounds how often a refresh gives way: somebody may write such files
// without a pause.
const maxYields = 3

// beginInTurn is begin for a refresh: it gives way to a login that is being made.
// Who asks for a token meanwhile waits for this refresh, and thus for that one.
func (l *Login) beginInTurn() (*errand, error) {
	for range maxYields {
		l.yield()
		e, err := l.begin()
		if err != nil || !e.early() {
			return e, err
		}
		e.end() // it has been written since
		l.check()
	}
	return l.begin()
}

// yield waits until the login held is whole, or its writer has had his time.
func (l *Login) yield() {
	limit := time.NewTimer(maxYields * loginGrace)
	defer limit.Stop()
	for {
		v := l.view.Load() // before the look, so that no change is missed
		l.mu.Lock()
		held := l.login.pair
		l.mu.Unlock()
		wait := l.graceLeft()
		if wait <= 0 || !l.writersOwn(held) {
			return
		}
		select {
		case <-v.changed:
		case <-time.After(wait):
		case <-limit.C:
			return
		}
	}
}

// early says whether the file holds another such login by now.
func (e *errand) early() bool {
	if e.graceLeft() <= 0 {
		return false
	}
	r := e.file.read()
	return r.state == fileHolds && r.pair.refresh != e.held.refresh && e.writersOwn(r.pair)
}

// graceLeft goes by the file's own time, so that a daemon that was started a moment
// ago knows it too. One that is far ahead is of another clock, and says nothing.
func (l *Login) graceLeft() time.Duration {
	info, err := os.Stat(l.file.path)
	if err != nil {
		return 0
	}
	age := time.Since(info.ModTime())
	if age < -tolerableSkew {
		return 0
	}
	return min(loginGrace-age, loginGrace)
}

// writersOwn says whether its writer is about to refresh it. Another falcred, which
// has noted what it wrote, is not; and what we have begun with is ours (R4).
func (l *Login) writersOwn(p pair) bool {
	if p.refresh == "" || p.access != "" || l.unfinished(p.refresh) {
		return false
	}
	known, _ := loadMemory(l.cfg.Home)
	return !known.issued(p.refresh)
}
