package daemon

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
)

// check looks at the token file and takes over what others did to it (F3). It
// needs no lock; what has to be written because of it is left to a refresh.
func (l *Login) check() {
	for !l.checkOnce() {
	}
}

// checkTogether is check for a request. Those who come while there is a look wait
// for one more, which they share: ten thousand want to know the same.
func (l *Login) checkTogether() {
	l.mu.Lock()
	if look := l.look; look != nil {
		l.mu.Unlock()
		<-look.done
		return
	}
	look := &flight{done: make(chan struct{})}
	l.look = look
	l.mu.Unlock()
	defer close(look.done)
	l.looks <- struct{}{}
	defer func() { <-l.looks }()
	l.mu.Lock()
	l.look = nil // it begins: what happens from here on it may miss
	l.mu.Unlock()
	l.check()
}

// checkOnce reports false where the login changed while the file was being
// read: an older reading must not be applied over a newer login.
func (l *Login) checkOnce() bool {
	l.mu.Lock()
	held := l.login.pair
	l.mu.Unlock()
	r := l.judged(l.file.read())
	var known memory // what other daemons of this home have consumed (F5)
	stale := false
	if r.state == fileHolds && r.pair.refresh != held.refresh {
		known, _ = loadMemory(l.cfg.Home)
		stale = known.spent(r.pair.refresh) || l.stale(r.pair)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.login.pair != held {
		return false
	}
	l.memory.learn(known)
	noted := known.issued(r.pair.refresh)
	if noted && !l.unwritten { // `falcred login`, or another daemon, knows whose it is
		l.memory.follow(known)
	}
	l.noticeLocked(r, stale, noted, time.Now())
	return true
}

// noticeLocked applies a reading. stale says that what it holds must not be adopted,
// noted that another falcred has put it there and into the history: `falcred login`
// does.
func (l *Login) noticeLocked(r reading, stale, noted bool, now time.Time) {
	if r.state != fileEmpty {
		l.empty = time.Time{}
	}
	switch r.state {
	case fileUnusable:
		l.unusableLocked(r)
		return
	case fileEmpty:
		l.emptyLocked(now)
	case fileAbsent:
		l.vanishedLocked()
	case fileHolds:
		l.foundLocked(r.pair, stale, noted, now)
	}
	if l.fileTrouble != nil {
		if l.trouble != nil && strings.HasSuffix(l.trouble.text, l.fileTrouble.text) { // a refresh met the same
			l.trouble, l.retryAt = nil, time.Time{}
		}
		l.fileTrouble = nil
		l.publishLocked()
	}
}

// unusableLocked: whatever stands there is not a logout. Memory goes on
// serving; nothing is refreshed, since the result could not be kept.
func (l *Login) unusableLocked(r reading) {
	if l.fileTrouble != nil && l.fileTrouble.text == r.err.Error() {
		return
	}
	l.fileTrouble = &trouble{code: protocol.CodeInternal, text: r.err.Error(), mend: r.mend()}
	l.log.Warn("the token file cannot be used", "cause", r.err)
	l.publishLocked()
}

func (l *Login) emptyLocked(now time.Time) {
	if l.empty.IsZero() {
		l.empty = now
		l.poke()
	}
	if l.login.refresh != "" && now.Sub(l.empty) >= writerDied && l.mayTryLocked(now) {
		l.startLocked("")
	}
}

// vanishedLocked is a logout, unless the issuer cannot be reached (F7).
// Nothing is served from the first moment on.
func (l *Login) vanishedLocked() {
	switch {
	case l.stuck, l.login.refresh == "" && l.trouble != nil:
		l.forgetLocked("the token file was deleted")
		return
	case l.login.refresh == "" || l.limbo || l.leaving:
		return
	}
	l.limbo = true
	l.happenedLocked(EventVanished, "the token file is gone; the issuer is asked whether that was a logout")
	l.publishLocked()
	if !l.probing {
		l.probing = true
		l.work.Go(l.probe)
	}
}

// probe decides F7's question as soon as the issuer can be heard.
func (l *Login) probe() {
	reachable := l.issuer.reachable(l.ending.side)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
	if !l.limbo {
		return // the file is back
	}
	if reachable {
		l.forgetLocked("the token file was deleted")
		return
	}
	l.log.Warn("the token file vanished while the issuer cannot be reached; kept in memory until it answers")
	l.retryAt = time.Now().Add(l.pause.NextBackOff())
	l.poke()
}

func (l *Login) foundLocked(p pair, stale, noted bool, now time.Time) {
	switch t := fromFile(p, now); {
	case p == l.login.pair:
		l.unsaved, l.owed = "", "" // whoever has put it there
		if l.limbo {
			l.happenedLocked(l.adoptLocked(p, now), "")
		}
	case l.unsaved != "" && p.refresh == l.unsaved:
		// Our own newer token is on its way into the file (R5).
	case p.refresh == l.login.refresh && len(p.access) < len(l.login.access) && strings.HasPrefix(l.login.access, p.access) && p.access != "":
		// A write that was cut in its second line: its beginning can still be
		// read as a token. The whole one goes back.
		if l.mayTryLocked(now) {
			l.unsaved = p.refresh
			l.startLocked("")
		}
	case stale || l.memory.spent(p.refresh):
		// F5: never adopted. A refresh puts the living token back.
		if l.mayTryLocked(now) {
			l.startLocked("")
		}
	case t.issuer != "" && !sameIssuer(t.issuer, l.cfg.Issuer):
		l.foreignLocked(t.issuer)
	default:
		if event := l.adoptLocked(p, now); !noted {
			l.happenedLocked(event, "")
		}
		if !l.login.fresh(now) && !l.stuck && l.mayTryLocked(now) {
			l.startLocked("")
		}
	}
}

// foreignLocked holds R13 against a login of another issuer.
func (l *Login) foreignLocked(issuer string) {
	text := fmt.Sprintf("the token file holds a login of another issuer (%q), and this daemon is for %s", short(issuer), l.cfg.Issuer)
	if l.trouble != nil && l.trouble.text == text {
		return
	}
	l.login, l.shown, l.fallback, l.unsaved = token{}, token{}, fallback{}, ""
	l.limbo, l.stuck = false, false
	l.trouble = &trouble{code: protocol.CodeLoginRequired, text: text, mend: "keep logins of different issuers in different homes (FAL_HOME_DIR)"}
	l.log.Error(text)
	l.happenedLocked(EventLoginRequired, text)
	l.publishLocked()
}

func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

func short(s string) string { return s[:min(len(s), 100)] }

// mayTryLocked: R7's pause applies to everybody. It passes while the machine
// sleeps.
func (l *Login) mayTryLocked(now time.Time) bool { return left(l.retryAt, now) <= 0 }

// dueLocked is what the schedule asks: is there something for a refresh to do?
// unfinished says whether login's refresh token has a place on the disk.
func (l *Login) dueLocked(now time.Time, unfinished bool) bool {
	switch {
	case l.login.refresh == "" || !l.mayTryLocked(now):
		return false
	case l.limbo:
		return !l.probing
	case l.unsaved != "":
		return true
	case !l.stuck && unfinished:
		return true
	case !l.empty.IsZero():
		return now.Sub(l.empty) >= writerDied
	}
	return !l.stuck && (!l.login.fresh(now) || l.siblingLocked())
}

// unfinished: a refresh of this token was sent, or was about to be, and its
// end is unknown. It is settled however fresh the access token looks (R4).
func (l *Login) unfinished(refresh string) bool {
	target, err := l.file.target()
	if err != nil {
		return false
	}
	_, err = os.Lstat(placePath(target, refresh))
	return err == nil
}
