package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// errand is one piece of work under one hold of the lock (F1): a refresh, a
// store, an erase.
type errand struct {
	*Login
	ctx    context.Context // ends with the hold
	cancel context.CancelFunc
	hold   *hold
	target string // the token file, behind symlinks
	force  string // an access token that is to be replaced, however fresh

	// What the daemon held when the errand began.
	held     token
	unsent   string // the refresh token in the file that held must replace (R5)
	wasLimbo bool   // F7

	offline error // the issuer's endpoints are unknown, and cannot be found out

	about string // the refresh token of the login that the errand is for
}

// begin takes the lock: this process's, then everybody's. end gives both back.
func (l *Login) begin() (*errand, error) { return l.beginBefore(l.ending.side) }

// beginBefore waits for the lock no longer than ctx, for a person at a prompt.
func (l *Login) beginBefore(ctx context.Context) (*errand, error) {
	e := &errand{Login: l}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	if err := e.open(ctx); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

// enter waits for this process's other errand. A mutex that is free is taken even at
// the end, as a free lock is: some errands only write down what is known.
func (e *errand) enter(ctx context.Context) error {
	select {
	case e.act <- struct{}{}:
		return nil
	default:
	}
	select {
	case e.act <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable("falcred is busy with the login, and is asked to end", "it is tried again")
	}
}

func (e *errand) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	hold, err := acquire(ctx, filepath.Join(e.cfg.Home, lockFile))
	if err != nil {
		return e.lockTrouble(err)
	}
	e.hold = hold
	e.ctx, e.cancel = context.WithTimeout(e.ending.last, holdMax)
	if e.target, err = e.file.target(); err != nil {
		return unavailable(err.Error(), "mend the link")
	}
	return e.recall()
}

func (e *errand) end() {
	if e.hold != nil {
		e.hold.release()
	}
	if e.cancel != nil {
		e.cancel()
	}
	<-e.act
}

func (e *errand) lockTrouble(err error) *setback {
	if what, mend := parts(err); mend != "" {
		return unavailable(what, mend)
	}
	return unavailable(err.Error(), "find out who holds it: fuser -v "+filepath.Join(e.cfg.Home, lockFile))
}

// recall reads falcred.json anew: what another daemon of this home has spent
// counts too (F5).
func (e *errand) recall() error {
	m, err := loadMemory(e.cfg.Home)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held, e.unsent, e.wasLimbo, e.about = e.login, e.unsaved, e.limbo, e.login.refresh
	if err != nil {
		e.warnLocked(err.Error())
		return nil // what this daemon knows goes on
	}
	e.unwritten = e.unwritten || m.Issuer == "" // the file has gone (R13)
	if err := m.settleIssuer(e.cfg.Issuer, e.cfg.FalsHome); err != nil {
		text, mend, _ := strings.Cut(err.Error(), "\n")
		return unavailable(text, mend)
	}
	if e.unwritten {
		m.merge(e.memory)
	}
	m.learn(e.memory) // the file may be gone, or an old copy
	e.memory = m
	return nil
}

// saveMemoryLocked writes what recall has read and the errand has added. The
// lock is held.
func (e *errand) saveMemoryLocked() {
	m := e.memory
	if e.owed != "" {
		m.Spent = slices.DeleteFunc(slices.Clone(m.Spent), func(print string) bool { return print == fingerprint(e.owed) })
	}
	err := m.save(e.cfg.Home)
	if e.unwritten = err != nil || e.owed != ""; err != nil {
		e.warnLocked("falcred's memory in the home cannot be written: " + err.Error())
	}
}

// remember writes down what was learned outside the lock.
func (l *Login) remember(learned func(*memory)) { l.rememberBefore(l.ending.side, learned) }

// rememberBefore waits for the lock no longer than ctx.
func (l *Login) rememberBefore(ctx context.Context, learned func(*memory)) {
	e, err := l.beginBefore(ctx)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		learned(&l.memory)
		l.unwritten = true // an errand that saves writes it too
		return
	}
	defer e.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	learned(&e.memory)
	e.saveMemoryLocked()
}

// run reads the file again and does what it asks for (R3).
func (e *errand) run() (*news, error) {
	r := e.judged(e.file.read())
	switch r.state {
	case fileUnusable:
		return nil, unavailable("no refresh while the token file cannot be used: "+r.err.Error(), r.mend())
	case fileAbsent:
		if !e.wasLimbo {
			// We may be the first to see it: the CLI deletes the file and
			// then gives the lock away (F7).
			e.mu.Lock()
			e.vanishedLocked()
			e.mu.Unlock()
			return &news{}, nil
		}
		return e.ask(r)
	case fileEmpty:
		return e.refill(r)
	}
	if e.isForeign(r.pair) {
		return &news{}, nil // not even what was begun is replayed (R13)
	}
	e.sweep(r.pair)
	if n, done, err := e.resume(r); done {
		return n, err
	}
	return e.renew(r)
}

// ask is F7's one refresh, by which the issuer decides about a file that is gone.
func (e *errand) ask(r reading) (*news, error) {
	if e.consumed(e.held.refresh) { // by another daemon of the home: what it received is not here
		return nil, &setback{gone: true, trouble: trouble{text: "the token file was deleted, and what was held is spent"}}
	}
	return e.spend(r, e.held.refresh)
}

// refill restores a file whose writer died (F3).
func (e *errand) refill(r reading) (*news, error) {
	e.mu.Lock()
	dead := !e.empty.IsZero() && time.Since(e.empty) >= writerDied
	e.mu.Unlock()
	if e.held.refresh == "" || !dead {
		s := unavailable("the token file is empty: its writer is at work, or died", loginHint)
		s.after, s.soft = time.Second, true
		return nil, s
	}
	return e.restore(r, "it was left empty")
}

// restore writes the login in memory over a file that lost it, if the file is
// still as it was when that was decided (F5).
func (e *errand) restore(before reading, why string) (*news, error) {
	if err := e.file.replace(e.target, e.held.pair, func() error { return e.unchanged(before) }); err != nil {
		if s := (&setback{}); errors.As(err, &s) {
			return nil, s
		}
		return nil, unavailable("the token file cannot be restored: "+err.Error(), mendDisk)
	}
	e.log.Warn("restored the token file", "cause", why)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaved, e.owed, e.empty = "", "", time.Time{}
	e.happenedLocked(EventRestored, why)
	if e.unwritten {
		e.saveMemoryLocked()
	}
	return &news{}, nil
}

// unchanged is what stands before every send and every write: we hold the lock
// that the path names (F1), and the file is as it was when the decision was
// made (F5).
func (e *errand) unchanged(before reading) error {
	if err := e.hold.confirm(e.ctx); err != nil {
		return e.lockTrouble(err)
	}
	if !sameReading(e.file.read(), before) {
		return errChanged
	}
	return nil
}

func sameReading(a, b reading) bool { return a.state == b.state && a.pair == b.pair }

// resume settles what an earlier refresh of the file's token has left: an
// answer on disk (R4), or one that could not be written (R5).
func (e *errand) resume(r reading) (*news, bool, error) {
	if e.unsent != "" && e.unsent == r.pair.refresh {
		n, err := e.restore(r, "the new token could not be written before")
		if err == nil && r.pair.refresh != e.held.refresh {
			clearPlace(placePath(e.target, r.pair.refresh))
		}
		return n, true, err
	}
	if _, err := os.Lstat(placePath(e.target, r.pair.refresh)); err != nil {
		return nil, false, nil // nothing unfinished
	}
	p, err := openPlace(e.target, r.pair.refresh)
	if err != nil {
		return nil, true, placeTrouble(err)
	}
	answer, ok := p.answer()
	switch {
	case ok && e.consumed(answer.refresh), !ok && e.consumed(r.pair.refresh):
		p.discard() // settled long ago, and put back from a backup
		return nil, false, nil
	case !ok:
		p.keep()
		n, err := e.spend(r, r.pair.refresh) // R4: replay at once
		return n, true, err
	}
	if err := p.finish(answer); err != nil {
		p.keep()
		return nil, true, placeTrouble(err)
	}
	if err := e.unchanged(r); err != nil {
		p.keep()
		return nil, true, err
	}
	e.mu.Lock()
	e.memory.step(r.pair.refresh, answer)
	e.saveMemoryLocked()
	e.mu.Unlock()
	if err := p.commit(e.file, e.target, answer); err != nil {
		p.keep()
		return nil, true, unavailable("a received token cannot be put in place: "+err.Error(), mendDisk)
	}
	e.log.Info("settled an unfinished refresh: its answer was on disk")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.happenedLocked(e.adoptLocked(answer, time.Now()), "")
	e.fallback = fallback{refresh: answer.refresh}
	return &news{}, true, nil
}

// sweep removes places of refreshes that no longer matter, and keeps what
// came in them as the fallback, if it is of the same account (F5).
func (e *errand) sweep(inFile pair) {
	now := time.Now()
	for _, path := range otherPlaces(e.target, inFile.refresh) {
		answer, ok := clearPlace(path)
		if !ok {
			continue
		}
		subject := fromFile(answer, now).subject
		if subject != fromFile(inFile, now).subject || e.consumed(answer.refresh) {
			continue
		}
		e.mu.Lock()
		if e.fallback.refresh == "" {
			e.fallback = fallback{answer.refresh, subject}
		}
		e.mu.Unlock()
	}
	for _, path := range abandoned(e.target, e.cfg.Home) {
		os.Remove(path)
	}
}

// abandoned lists temporary files that a killed writer has left. The lock is
// held, so none of them is in use by a falcred that respects it.
func abandoned(target, home string) []string {
	return slices.Concat(temporaries(target), temporaries(filepath.Join(home, memoryFile)), temporaries(filepath.Join(home, historyFile)))
}

// temporaries are what writeTemp has left beside a file.
func temporaries(path string) (found []string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "."+filepath.Base(path)+".tmp-") {
			found = append(found, filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
	return found
}

// isForeign notices a login of another issuer in the file (R13), unless it is one
// that was used up before.
func (e *errand) isForeign(p pair) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	issuer := issuerOf(p.access)
	if issuer == "" || sameIssuer(issuer, e.cfg.Issuer) || e.memory.spent(p.refresh) {
		return false
	}
	e.foreignLocked(issuer)
	return true
}

// recordIssuer writes down the home's issuer before it is sent anything of the login (R13).
func (e *errand) recordIssuer() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unwritten {
		e.saveMemoryLocked()
	}
}

// renew adopts a fresh token of somebody else, or sends the file's (R3).
func (e *errand) renew(r reading) (*news, error) {
	now := time.Now()
	t := fromFile(r.pair, now)
	if e.stale(r.pair) {
		return e.replaceStale(r)
	}
	e.mu.Lock()
	switch {
	case t.issuer != "" && !sameIssuer(t.issuer, e.cfg.Issuer):
		e.foreignLocked(t.issuer)
		e.mu.Unlock()
		return &news{}, nil
	case r.pair != e.login.pair:
		e.happenedLocked(e.adoptLocked(r.pair, now), "")
	}
	e.about = e.login.refresh
	rejected := e.dead != "" && e.dead == r.pair.refresh
	idle := e.stuck || e.login.fresh(now) && e.login.access != e.force && !e.siblingLocked()
	e.mu.Unlock()
	switch {
	case idle:
		return &news{}, nil
	case rejected: // its fallback is what is still to be tried
		return e.retire(r, r.pair.refresh)
	}
	return e.spend(r, r.pair.refresh)
}

// replaceStale meets a token in the file that must not be sent: a neighbour's
// late write, or an old copy (F5). The living one goes back, before an unmodified
// SDK uses the stale one.
func (e *errand) replaceStale(r reading) (*news, error) {
	if e.held.refresh != "" && !e.consumed(e.held.refresh) {
		return e.restore(r, "it held an old copy of the login, whose refresh token is already spent")
	}
	return nil, loginOver("the token file holds a refresh token that is already spent: an old copy?")
}

// retire is what becomes of a login whose refresh token is dead (R8).
func (e *errand) retire(before reading, refresh string) (*news, error) {
	e.mu.Lock()
	e.dead = refresh
	e.happenedLocked(EventRejected, "the issuer does not accept the refresh token (invalid_grant)")
	e.mu.Unlock()
	r := e.judged(e.file.read())
	if r.state == fileHolds && r.pair.refresh != refresh && r.pair.refresh != before.pair.refresh {
		if !e.stale(r.pair) {
			return e.renew(r) // somebody was faster
		}
	}
	if r.state == fileAbsent { // the issuer has answered: it was a logout (F7), and no fallback undoes it
		return nil, &setback{gone: true, trouble: trouble{text: "the token file was deleted, and the issuer no longer knows the login"}}
	}
	if newest := e.takeFallback(refresh); newest.refresh != "" {
		e.log.Warn("the token in the file is dead; trying the newest one received before it")
		n, err := e.spend(r, newest.refresh)
		if s := (&setback{}); errors.As(err, &s) && !s.over && !s.gone {
			e.mu.Lock()
			e.fallback = newest // the network failed, not the token
			e.mu.Unlock()
		}
		return n, err
	}
	return nil, loginOver("the login has ended: the issuer does not accept its refresh token any more (invalid_grant)")
}

// takeFallback hands out F5's newest unspent token, once, and only where it is known
// to be the same account's: a dead login of one person must not become another's.
// A login that a person has just made names nobody yet, and is not replaced.
func (e *errand) takeFallback(failed string) fallback {
	e.mu.Lock()
	newest, wanted := e.fallback, e.login.subject
	newest.subject = firstOf(e.memory.subjectOf(newest.refresh), newest.subject)
	e.fallback = fallback{}
	e.mu.Unlock()
	if newest.refresh == failed || wanted == "" || newest.subject != wanted {
		return fallback{}
	}
	if used, err := e.recorded(newest.refresh); used || err != nil {
		return fallback{}
	}
	return newest
}
