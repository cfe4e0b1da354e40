package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/protocol"
)

// A refresh, from top to bottom:
//
//	startLocked   one at a time, whoever asks (R1)
//	fly           lock, refresh, unlock; then verify (R10) and publish
//	refresh       takes .portalock (F1) and runs one errand
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
	final bool          // nothing is tried again until the file changes
	gone  bool          // the login is over
}

func (s *setback) Error() string { return s.text }

// hourly is R8's pace after an error that repeating will not mend.
const hourly = time.Hour

func unavailable(text, mend string) *setback {
	return &setback{trouble: trouble{code: protocol.CodeUnavailable, text: text, mend: mend}}
}

// changed asks for another look at once: somebody else writes the file.
func changed() *setback {
	s := unavailable("the token file changed while a refresh was being prepared", "")
	s.after = time.Millisecond
	return s
}

// startLocked joins the refresh that is under way, or starts one. force names
// an access token that is to be replaced even if it looks fresh.
func (l *Login) startLocked(force string) *flight {
	if l.flight == nil {
		f := &flight{done: make(chan struct{})}
		l.flight = f
		l.work.Go(func() { l.fly(f, force) })
	}
	return l.flight
}

// fly runs one refresh to its end; nobody's leaving stops it (R1).
func (l *Login) fly(f *flight, force string) {
	ctx := context.Background() // nobody's leaving ends it (R1)
	l.act.Lock()
	got, err := l.refresh(ctx, force)
	l.act.Unlock()
	if got != nil && got.revoke != "" {
		if err := l.issuer.revoke(ctx, got.revoke); err != nil {
			l.warn("a token that arrived after the logout could not be revoked: " + err.Error())
		}
	}
	var seen verdict
	if got != nil && got.got != nil && got.got.idToken != "" {
		seen = l.issuer.verify(ctx, got.got.idToken) // R10: outside the lock, after saving
	}
	l.mu.Lock()
	l.flight = nil
	if err != nil {
		l.failedLocked(err)
	} else {
		l.landedLocked(got, seen)
	}
	l.mu.Unlock()
	close(f.done)
	l.check() // what happened to the file meanwhile
}

// landedLocked publishes what an errand brought.
func (l *Login) landedLocked(n *news, seen verdict) {
	if n.got == nil {
		if l.login.fresh(time.Now()) && l.stuck == "" {
			l.trouble, l.retryAt = nil, time.Time{}
			l.pause.Reset()
		}
		l.publishLocked()
		return
	}
	if n.got.pair != l.login.pair {
		l.publishLocked() // another login has been adopted since
		return
	}
	if seen.doubt != "" {
		l.warnLocked(seen.doubt)
	}
	if seen.wrong == nil && seen.subject != "" && n.subject != "" && seen.subject != n.subject {
		seen.wrong = errors.New("the issuer answered for another account")
	}
	if seen.wrong != nil {
		l.log.Error("the issuer's answer is not to be trusted", "cause", seen.wrong)
		l.memory.Unverified = fingerprint(l.login.access)
		l.distrustLocked()
	} else {
		l.memory.Subject = firstOf(seen.subject, n.subject, l.login.subject)
		l.shown = l.login
		l.trouble, l.retryAt = nil, time.Time{}
		l.pause.Reset()
	}
	l.saveMemoryLocked()
	if l.unsaved != "" { // R5: served from memory, retried until it is on disk
		l.trouble = &trouble{code: protocol.CodeUnavailable, text: "the new token could not be written to the token file", mend: "free the disk or make it writable"}
		l.retryAt = time.Now().Add(l.pause.NextBackOff())
	}
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

func (l *Login) failedLocked(err error) {
	s := &setback{}
	if !errors.As(err, &s) {
		s = unavailable(err.Error(), "")
	}
	if s.gone {
		l.forgetLocked(s.text)
		return
	}
	if l.trouble == nil || l.trouble.text != s.text {
		l.log.Warn("refresh failed", "cause", s.text)
	}
	l.trouble = &s.trouble
	wait := s.after
	if wait == 0 {
		wait = l.pause.NextBackOff()
	}
	l.retryAt = time.Now().Add(wait)
	if s.final {
		l.stuck = fingerprint(l.login.refresh)
	}
	l.publishLocked()
}

func (l *Login) saveMemoryLocked() {
	if err := l.memory.save(l.cfg.Home); err != nil {
		l.warnLocked("falcred's memory in the home cannot be written: " + err.Error())
	}
}

// refresh takes the lock for one errand. The caller holds act.
func (l *Login) refresh(ctx context.Context, force string) (*news, error) {
	h, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer h.release()
	ctx, cancel := context.WithTimeout(ctx, holdMax)
	defer cancel()
	e, err := l.newErrand(ctx, h)
	if err != nil {
		return nil, err
	}
	e.force = force
	return e.run()
}

func (l *Login) lock(ctx context.Context) (*hold, error) {
	// Discovery may take its time: not while others wait for the lock.
	if _, err := l.issuer.discover(ctx); err != nil {
		return nil, unavailable(err.Error(), "check the network")
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	h, err := acquire(ctx, filepath.Join(l.cfg.Home, ".portalock"))
	if err != nil {
		return nil, unavailable(err.Error(), "see which program holds it")
	}
	return h, nil
}

// errand is one refresh under one hold of the lock.
type errand struct {
	*Login
	ctx    context.Context // ends with the hold
	hold   *hold
	target string
	force  string
	limbo  bool // F7: the file was gone before we began
	held   token
	unsent string // the refresh token in the file that held must replace (R5)
}

func (l *Login) newErrand(ctx context.Context, h *hold) (*errand, error) {
	target, err := l.file.target()
	if err != nil {
		return nil, unavailable(err.Error(), "mend the link")
	}
	e := &errand{Login: l, ctx: ctx, hold: h, target: target}
	// Several daemons may share the home: what another has spent counts (F5).
	m, err := loadMemory(l.cfg.Home)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.warnLocked(err.Error())
	case m.Issuer != "" && m.Issuer != l.cfg.Issuer:
		return nil, unavailable("this home has been given to "+m.Issuer+" meanwhile", "set FAL_HOME_DIR to another folder")
	default:
		for _, spent := range l.memory.Spent {
			m.spendFingerprint(spent)
		}
		m.Issuer = l.cfg.Issuer
		l.memory = m
	}
	e.limbo, e.held, e.unsent = l.limbo, l.login, l.unsaved
	return e, nil
}

// run reads the file again and does what it asks for (R3).
func (e *errand) run() (*news, error) {
	r := e.file.read()
	switch r.state {
	case fileUnusable:
		return nil, unavailable("no refresh while the token file cannot be used: "+r.err.Error(), "move it away and log in again")
	case fileAbsent:
		if !e.limbo {
			return nil, &setback{gone: true, trouble: trouble{text: "the token file was deleted"}}
		}
		return e.spend(r, e.held.refresh)
	case fileEmpty:
		return e.refill(r)
	}
	e.sweep(r.pair.refresh)
	if n, done, err := e.resume(r); done {
		return n, err
	}
	return e.renew(r)
}

// refill restores a file whose writer died (F3).
func (e *errand) refill(r reading) (*news, error) {
	e.mu.Lock()
	dead := !e.empty.IsZero() && time.Since(e.empty) >= writerDied
	e.mu.Unlock()
	if e.held.refresh == "" || !dead {
		s := unavailable("the token file is empty: its writer is at work, or died", loginHint)
		s.after = time.Second
		return nil, s
	}
	return e.restore(r, "it was left empty")
}

// restore writes the login in memory over a file that lost it, if the file is
// still as it was when that was decided (F5).
func (e *errand) restore(before reading, why string) (*news, error) {
	if !sameReading(e.file.read(), before) {
		return nil, changed()
	}
	if err := replaceTokens(e.target, e.held.pair); err != nil {
		return nil, unavailable("the token file cannot be restored: "+err.Error(), "free the disk or make it writable")
	}
	e.log.Warn("restored the token file", "cause", why)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaved, e.empty = "", time.Time{}
	return &news{}, nil
}

// resume settles what an earlier refresh of the file's token has left: an
// answer on disk (R4), or one that could not be written (R5).
func (e *errand) resume(r reading) (*news, bool, error) {
	if e.unsent != "" && e.unsent == r.pair.refresh {
		n, err := e.restore(r, "the new token could not be written before")
		if err == nil {
			clearPlace(placePath(e.target, r.pair.refresh))
		}
		return n, true, err
	}
	if _, err := os.Lstat(placePath(e.target, r.pair.refresh)); err != nil {
		return nil, false, nil // nothing unfinished
	}
	p, err := openPlace(e.target, r.pair.refresh)
	if err != nil {
		return nil, true, unavailable("an unfinished refresh cannot be settled: "+err.Error(), "")
	}
	answer, ok := p.answer()
	if !ok {
		p.keep()
		n, err := e.spend(r, r.pair.refresh) // R4: replay at once
		return n, true, err
	}
	if err := p.commit(e.target, answer); err != nil {
		p.keep()
		return nil, true, unavailable("a received token cannot be put in place: "+err.Error(), "free the disk or make it writable")
	}
	e.log.Info("settled an unfinished refresh: its answer was on disk")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory.spend(r.pair.refresh)
	e.spare = answer.refresh
	e.saveMemoryLocked()
	e.adoptLocked(answer, time.Now())
	return &news{}, true, nil
}

// sweep removes places of refreshes that no longer matter, and keeps what
// came in them (F5).
func (e *errand) sweep(refresh string) {
	for _, path := range otherPlaces(e.target, refresh) {
		if answer, ok := clearPlace(path); ok {
			e.mu.Lock()
			if e.spare == "" && !e.memory.spent(answer.refresh) {
				e.spare = answer.refresh
			}
			e.mu.Unlock()
		}
	}
	for _, path := range abandoned(e.target, e.cfg.Home) {
		os.Remove(path)
	}
}

// renew adopts a fresh token of somebody else, or sends the file's (R3).
func (e *errand) renew(r reading) (*news, error) {
	now := time.Now()
	t := fromFile(r.pair, now)
	e.mu.Lock()
	switch {
	case e.memory.spent(r.pair.refresh):
		e.mu.Unlock()
		return e.replaceSpent(r)
	case t.issuer != "" && !sameIssuer(t.issuer, e.cfg.Issuer):
		e.foreignLocked(t.issuer)
		e.mu.Unlock()
		return &news{}, nil
	case r.pair != e.login.pair:
		e.adoptLocked(r.pair, now)
	}
	t = e.login
	stuck := e.stuck != ""
	e.mu.Unlock()
	if stuck || t.fresh(now) && t.access != e.force {
		return &news{}, nil
	}
	return e.spend(r, r.pair.refresh)
}

// replaceSpent meets a token in the file that we have spent: a neighbour's
// late write, or an old copy. It is never adopted and never sent (F5); the
// living one goes back, before an unmodified SDK replays the spent one.
func (e *errand) replaceSpent(r reading) (*news, error) {
	e.mu.Lock()
	dead := e.held.refresh == "" || e.memory.spent(e.held.refresh)
	e.mu.Unlock()
	if !dead {
		return e.restore(r, "it held a refresh token that is already spent")
	}
	return nil, &setback{final: true, after: hourly, trouble: trouble{
		code: protocol.CodeLoginRequired,
		text: "the token file holds a refresh token that is already spent: an old copy?",
		mend: loginHint,
	}}
}

// retire is what becomes of a login whose refresh token is dead (R8).
func (e *errand) retire(before reading, refresh string, cause error) (*news, error) {
	r := e.file.read()
	if r.state == fileHolds && r.pair.refresh != refresh && r.pair.refresh != before.pair.refresh {
		e.mu.Lock()
		spent := e.memory.spent(r.pair.refresh)
		e.mu.Unlock()
		if !spent {
			return e.renew(r) // somebody was faster
		}
	}
	if e.limbo && r.state == fileAbsent {
		return nil, &setback{gone: true, trouble: trouble{text: "the token file was deleted, and the issuer no longer knows the login"}}
	}
	if spare := e.takeSpare(refresh); spare != "" {
		e.log.Warn("the token in the file is dead; trying the newest one received before it")
		return e.spend(r, spare)
	}
	return nil, &setback{final: true, after: hourly, trouble: trouble{
		code: protocol.CodeLoginRequired,
		text: fmt.Sprintf("the login has ended: %v", cause),
		mend: loginHint,
	}}
}

// takeSpare hands out F5's newest unspent token, once, and only for the same
// account: a dead login of one person must not become another's.
func (e *errand) takeSpare(failed string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	spare := e.spare
	e.spare = ""
	if spare == failed || e.memory.spent(spare) {
		return ""
	}
	if e.login.subject != "" && e.memory.Subject != "" && e.login.subject != e.memory.Subject {
		return ""
	}
	return spare
}
