package daemon

import (
	"errors"
	"time"

	"github.com/falcred/falcred/protocol"
)

// A refresh, from top to bottom:
//
//	startLocked   one at a time, whoever asks (R1)
//	fly           runs one errand under the lock; then verifies (R10) and publishes
//	errand.run    reads the file again and decides what there is to do (R3)
//	errand.spend  place on disk (R4), request (R6, R7), answer to disk (R5, F5)

// news is what an errand brings home.
type news struct {
	got     *reply // the issuer's answer, now held; nil where nothing was sent
	subject string // R10: whose account the chain was so far, "" for a new one
	revoke  string // F5: came in after a logout
}

// setback is an errand that did not succeed.
type setback struct {
	trouble
	after time.Duration // the earliest next try; 0: R7's pause decides
	soft  bool          // the file's doing: the next try is due when that changes
	gone  bool          // the login was deleted
	over  bool          // its refresh token is dead: nothing is tried again

	// Whose setback it is, where an errand had one: a login that was adopted
	// since is not concerned.
	bound bool
	login string // its refresh token
}

func (s *setback) Error() string { return s.text }

// hourly is R8's pace after an error that repeating will not mend.
const hourly = time.Hour

const (
	mendDisk    = "free the disk or make it writable"
	mendFile    = "move it away and log in again"
	mendNetwork = "it is tried again; check the network if it lasts"
)

func unavailable(text, mend string) *setback {
	return &setback{trouble: trouble{code: protocol.CodeUnavailable, text: text, mend: mend}}
}

// loginOver is R8's end of a login.
func loginOver(text string) *setback {
	return &setback{over: true, after: hourly, trouble: trouble{code: protocol.CodeLoginRequired, text: text, mend: loginHint}}
}

// errChanged asks for another look at once: somebody else writes the file.
var errChanged = &setback{after: time.Millisecond, soft: true, trouble: trouble{
	code: protocol.CodeUnavailable, text: "the token file is being changed by somebody else", mend: "it is tried again",
}}

// startLocked joins the refresh that is under way, or starts one. force names
// an access token that is to be replaced even if it looks fresh. It returns nil where
// the daemon is ending (S5).
func (l *Login) startLocked(force string) *flight {
	if l.flight == nil && !l.ending.over() {
		f := &flight{done: make(chan struct{})}
		l.flight = f
		l.work.Go(func() { l.fly(f, force) })
	}
	return l.flight
}

// fly runs one refresh to its end. Nobody's leaving stops it (R1), so it has
// no caller's context.
func (l *Login) fly(f *flight, force string) {
	got, err := l.refresh(force)
	var seen verdict
	if got != nil && got.revoke != "" {
		l.disown(got.revoke)
	}
	if got != nil && got.got != nil {
		if t := l.toVerify(got.got.idToken); t.raw != "" {
			seen = l.issuer.verify(l.ending.side, t, got.subject) // R10: outside the lock, after saving
		}
	}
	var learned func(*memory)
	l.mu.Lock()
	l.flight = nil
	if err != nil {
		l.failedLocked(err)
	} else {
		if got.got != nil && force != "" {
			l.forced = fingerprint(force) // what failed may be asked for again, after R7's pause
		}
		learned = l.landedLocked(got, seen)
	}
	l.mu.Unlock()
	close(f.done)
	if learned != nil {
		l.rememberBefore(l.ending.last, learned) // a verdict must not be lost (R10)
	}
	l.check() // what happened to the file meanwhile
}

func (l *Login) refresh(force string) (*news, error) {
	// Discovery may take its time: not while others wait for the lock. What
	// sends nothing, a file that wants restoring, goes on without it.
	_, offline := l.issuer.discover(l.ending.side)
	e, err := l.beginInTurn()
	if err != nil {
		return nil, err
	}
	defer e.end()
	e.force, e.offline = force, offline
	n, err := e.run()
	return n, e.bind(err)
}

// bind says whose setback it is.
func (e *errand) bind(err error) error {
	s := &setback{}
	if !errors.As(err, &s) {
		return err
	}
	own := *s
	own.bound, own.login = true, e.about
	return &own
}

// disown ends a login that arrived and is not kept: after its logout (F5), or
// in a store that was refused. Not under the lock: the issuer may be slow.
func (l *Login) disown(refresh string) {
	if err := l.issuer.revoke(l.ending.side, refresh); err != nil {
		l.warn("a token that was received but not kept could not be revoked: " + err.Error())
	}
}

// landedLocked publishes what an errand brought. What it returns is to be
// remembered on disk, nil if nothing is.
func (l *Login) landedLocked(n *news, seen verdict) (learned func(*memory)) {
	defer l.publishLocked()
	switch {
	case n.got == nil:
		if l.login.fresh(time.Now()) && !l.stuck {
			l.recoveredLocked()
		}
		return nil
	case n.got.pair != l.login.pair:
		return nil // another login has been adopted since
	}
	switch {
	case seen.wrong != nil:
		l.log.Error("the issuer's answer is not to be trusted", "cause", seen.wrong)
		l.distrustLocked()
		held := l.login.pair
		return func(m *memory) { m.distrust(held) } // once more: take may not have been able to write it
	case seen.doubt != nil:
		learned = l.doubtLocked(seen, n.subject, true)
	case seen.verified():
		learned = l.verifiedLocked(seen.subject())
	case !l.inDoubtLocked(): // there was no ID token
		learned = l.learnLocked(firstOf(n.subject, l.login.subject))
	}
	l.shown = l.login
	l.recoveredLocked()
	if now := time.Now(); !l.login.fresh(now) || l.stormLocked(now) { // born old, or undone: with a pause (R7)
		l.retryAt = now.Add(l.pause.NextBackOff())
	}
	if l.unsaved != "" { // R5: served from memory, retried until it is on disk
		l.trouble = &trouble{code: protocol.CodeUnavailable, text: "the new token could not be written to the token file", mend: mendDisk}
		l.retryAt = time.Now().Add(l.pause.NextBackOff())
	}
	return learned
}

// maxPerMinute is what no login needs: somebody undoes each refresh, and a
// pause keeps that from becoming a storm at the issuer.
const maxPerMinute = 300

// stormLocked counts refreshes by the minute.
func (l *Login) stormLocked(now time.Time) bool {
	if now.Sub(l.minute) >= time.Minute {
		l.minute, l.inMinute = now, 0
	}
	l.inMinute++
	return l.inMinute > maxPerMinute
}

// recoveredLocked: what was wrong is over. The pause starts from its beginning
// only after a token that lasts.
func (l *Login) recoveredLocked() {
	l.trouble, l.retryAt = nil, time.Time{}
	if l.login.fresh(time.Now()) {
		l.pause.Reset()
	}
}

func (l *Login) failedLocked(err error) {
	s := &setback{}
	if !errors.As(err, &s) {
		s = unavailable(err.Error(), "")
	}
	switch {
	case s.bound && s.login != l.login.refresh:
		l.publishLocked() // another login has been adopted since
		return
	case s.gone:
		l.forgetLocked(s.text)
		return
	}
	if l.trouble == nil || l.trouble.text != s.text {
		l.log.Warn("refresh failed", "cause", s.text)
		event := EventUnavailable
		if s.over {
			event = EventLoginRequired
		}
		l.happenedLocked(event, s.text)
	}
	l.trouble, l.stuck = &s.trouble, l.stuck || s.over
	wait := s.after
	if wait == 0 {
		wait = l.pause.NextBackOff()
	}
	l.retryAt, l.soft = time.Now().Add(wait), s.soft
	l.publishLocked()
}

func firstOf(names ...string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}
