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
func (l *Login) begin() (*errand, error) { return l.beginBefore(context.Background()) }

// beginBefore waits for the lock no longer than ctx, for a person at a prompt.
func (l *Login) beginBefore(ctx context.Context) (*errand, error) {
	l.act <- struct{}{}
	e := &errand{Login: l}
	if err := e.open(ctx); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

func (e *errand) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	hold, err := acquire(ctx, filepath.Join(e.cfg.Home, lockFile))
	if err != nil {
		return e.lockTrouble(err)
	}
	e.hold = hold
	e.ctx, e.cancel = context.WithTimeout(context.Background(), holdMax)
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
	err := e.memory.save(e.cfg.Home)
	if e.unwritten = err != nil; err != nil {
		e.warnLocked("falcred's memory in the home cannot be written: " + err.Error())
	}
}

// remember writes down what was learned outside the lock.
func (l *Login) remember(learned func(*memory)) {
	e, err := l.begin()
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
	r := e.file.read()
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
	e.mu.Lock()
	spent := e.memory.spent(e.held.refresh)
	e.mu.Unlock()
	if spent { // by another daemon of the home: what it received is not here
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
	if err := e.unchanged(before); err != nil {
		return nil, err
	}
	if err := e.file.replace(e.target, e.held.pair); err != nil {
		return nil, unavailable("the token file cannot be restored: "+err.Error(), mendDisk)
	}
	e.log.Warn("restored the token file", "cause", why)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaved, e.empty = "", time.Time{}
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
		return nil, true, placeTrouble(err)
	}
	answer, ok := p.answer()
	if !ok {
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
	e.memory.step(r.pair.refresh, answer.refresh)
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
	e.spare = answer.refresh
	return &news{}, true, nil
}

// sweep removes places of refreshes that no longer matter, and keeps what
// came in them as a spare, if it is of the same account (F5).
func (e *errand) sweep(inFile pair) {
	now := time.Now()
	for _, path := range otherPlaces(e.target, inFile.refresh) {
		answer, ok := clearPlace(path)
		if !ok {
			continue
		}
		e.mu.Lock()
		same := fromFile(answer, now).subject == fromFile(inFile, now).subject
		if e.spare == "" && same && !e.memory.spent(answer.refresh) {
			e.spare = answer.refresh
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
		e.happenedLocked(e.adoptLocked(r.pair, now), "")
	}
	e.about = e.login.refresh
	rejected := e.dead != "" && e.dead == r.pair.refresh
	idle := e.stuck || e.login.fresh(now) && e.login.access != e.force && !e.siblingLocked()
	e.mu.Unlock()
	switch {
	case idle:
		return &news{}, nil
	case rejected: // its spare is what is still to be tried
		return e.retire(r, r.pair.refresh)
	}
	return e.spend(r, r.pair.refresh)
}

// replaceSpent meets a token in the file that we have spent: a neighbour's
// late write, or an old copy. It is never adopted and never sent (F5); the
// living one goes back, before an unmodified SDK replays the spent one.
func (e *errand) replaceSpent(r reading) (*news, error) {
	e.mu.Lock()
	living := e.held.refresh != "" && !e.memory.spent(e.held.refresh)
	e.mu.Unlock()
	if living {
		return e.restore(r, "it held a refresh token that is already spent")
	}
	return nil, loginOver("the token file holds a refresh token that is already spent: an old copy?")
}

// retire is what becomes of a login whose refresh token is dead (R8).
func (e *errand) retire(before reading, refresh string) (*news, error) {
	e.mu.Lock()
	e.dead = refresh
	e.happenedLocked(EventRejected, "the issuer does not accept the refresh token (invalid_grant)")
	e.mu.Unlock()
	r := e.file.read()
	if r.state == fileHolds && r.pair.refresh != refresh && r.pair.refresh != before.pair.refresh {
		e.mu.Lock()
		spent := e.memory.spent(r.pair.refresh)
		e.mu.Unlock()
		if !spent {
			return e.renew(r) // somebody was faster
		}
	}
	if r.state == fileAbsent { // the issuer has answered: it was a logout (F7), and no spare undoes it
		return nil, &setback{gone: true, trouble: trouble{text: "the token file was deleted, and the issuer no longer knows the login"}}
	}
	if spare := e.takeSpare(refresh); spare != "" {
		e.log.Warn("the token in the file is dead; trying the newest one received before it")
		n, err := e.spend(r, spare)
		if s := (&setback{}); errors.As(err, &s) && !s.over && !s.gone {
			e.mu.Lock()
			e.spare = spare // the network failed, not the token
			e.mu.Unlock()
		}
		return n, err
	}
	return nil, loginOver("the login has ended: the issuer does not accept its refresh token any more (invalid_grant)")
}

// takeSpare hands out F5's newest unspent token, once, and only where it is known
// to be the same account's: a dead login of one person must not become another's.
// A login that a person has just made names nobody yet, and is not replaced.
func (e *errand) takeSpare(failed string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	spare := e.spare
	e.spare = ""
	if spare == failed || e.memory.spent(spare) {
		return ""
	}
	if e.login.subject == "" || e.memory.subjectOf(spare) != e.login.subject {
		return ""
	}
	return spare
}
