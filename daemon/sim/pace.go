//go:build linux

package main

import (
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// longestPause is falcred's (R8), and the time for a try.
const longestPause = 65 * time.Minute

// trouble notes that something is not as it should be. Sleep is none: a machine that wakes up
// finds all as it was.
func (j *judge) trouble() {
	w := j.w
	end := w.clock.elapsed()
	if w.net.last > w.clock.mono {
		end += w.net.last - w.clock.mono
	}
	j.troubledUntil = max(j.troubledUntil, end, w.broken.last)
}

// quiet says that the clock is right, and nothing but sleep has disturbed falcred for long.
func (j *judge) quiet() bool { return j.w.clock.off == 0 && j.undisturbed() }

// undisturbed says that for longer than any pause of falcred's nothing but sleep has disturbed it.
func (j *judge) undisturbed() bool {
	w := j.w
	return w.clock.mono >= w.net.last && w.clock.elapsed()-max(j.troubledUntil, w.broken.last) > longestPause
}

// dated says that a daemon can know when an access token ends: the clock was right when it came, and
// is, or is as wrong as it was when this daemon asked for it.
func (j *judge) dated(d *daemon, g *grant, a *access) bool {
	if j.w.clock.off == 0 && !a.misdated {
		return true
	}
	return j.moved < a.issued+a.slept && g.from != nil && g.from.by == d.proc
}

// inForce is the login in the file that falcred has to keep fresh, and its access token.
func (j *judge) inForce() (*grant, *access) {
	pair, err := tokenfile.Parse([]byte(j.content))
	g, a := j.w.idp.grants[pair.Refresh], j.w.idp.accesses[pair.Access]
	if j.touched || !j.exists || err != nil || a == nil || !g.alive() || g.fam.excuse != "" {
		return nil, nil
	}
	return g, a
}

// holds says that the file has that refresh token.
func (j *judge) holds(refresh string) bool {
	g, _ := j.inForce()
	return g != nil && g.refresh == refresh
}

// late judges that a login is refreshed at half of its access token's life, and after a sleep
// at once (R2).
func (j *judge) late(d *daemon) {
	w := j.w
	g, a := j.inForce()
	if g == nil || !j.dated(d, g, a) || !j.undisturbed() {
		return
	}
	due := max(a.issued+a.slept+w.idp.lifetime/2, j.since)
	if late := min(w.clock.elapsed()-due, w.clock.mono-j.woken); late > 2*time.Minute {
		j.fail("a login is refreshed at half of its token's life (R2)", "%s has not refreshed %s, which was due %v ago", d.name, g.refresh, late.Round(time.Second))
	}
}

// rejectedAgain judges that a client whose token got a 401 is not given it again (§4), where
// nothing hinders a refresh and the last was long enough ago.
func (j *judge) rejectedAgain(d *daemon, secret string, begun time.Duration) {
	g, a := j.inForce()
	if g == nil || a != j.w.idp.accesses[secret] || !j.quiet() || j.holder != nil || len(j.w.daemons) > 1 {
		return // another may be refreshing it at this moment
	}
	const pause = 6 * time.Minute // R7's are 5
	if last := max(a.issued, j.sinceMono, d.since, j.woken); begun-last > pause {
		j.fail("a rejected token is replaced (§4)", "%s serves the token again that a client got a 401 for, and %s is %v old", d.name, g.refresh, (begun - a.issued).Round(time.Second))
	}
}

// askedAfter is when a daemon has certainly asked the issuer about a deletion, and revoked what
// came after it.
const askedAfter = time.Minute

// removedByHand notes a logout by an rm: none puts the login back, and what is on its way is
// revoked when it comes (F5).
func (j *judge) removedByHand() {
	f := j.expected.fam
	j.expect(nil, true)
	j.expected.loose = true // who looked a moment before did not see it
	j.removal, j.orphan = j.w.clock.mono, nil
	for refresh, r := range j.inFlight { // one at most is of this login and arrives
		if g := j.w.idp.grants[refresh]; g != nil && g.fam == f && f.ended == "" && !r.by.dead && r.by.kind == aDaemon && f.excuse == "" {
			j.orphan, j.orphanOf = f, r.by
		}
	}
}

// orphaned judges what became of a deletion by hand, when something else happens.
func (j *judge) orphaned() {
	f := j.orphan
	early := j.w.clock.mono-j.removal < askedAfter
	if e := &j.expected; early && e.fam == nil && e.since == j.removal {
		e.sure = false
	}
	if j.orphan = nil; f == nil || early || j.orphanOf.dead || !j.quiet() || f.excuse != "" {
		return
	}
	if f.ended == "" {
		j.fail("what comes after a logout is revoked (F5)", "login %d was deleted while a request of %s was under way, and lives", f.id, j.orphanOf.name)
	}
}

// tells says that a daemon has been told of the login in force by now: the disk reports each change.
func (j *judge) tells(d *daemon, begun time.Duration) bool {
	e := j.expected
	g, _ := j.inForce()
	return e.sure && !e.loose && g != nil && g.fam == e.fam && j.w.clock.off == 0 && j.w.clock.elapsed() > j.w.broken.last &&
		begun-max(e.since, j.sinceMono, j.woken, d.since) > 20*time.Second
}

// served is what a daemon has given to clients.
type served struct{ refresh, access string }

// torn is the access token in the file where a write of what a daemon has served was cut.
func (j *judge) torn(d *daemon) string {
	pair, err := tokenfile.Parse([]byte(j.content))
	before := j.serving[d.proc]
	if err != nil || j.touched || pair.Refresh != before.refresh || len(pair.Access) >= len(before.access) || !strings.HasPrefix(before.access, pair.Access) {
		return ""
	}
	return pair.Access
}

// servedOn judges a refusal: what a daemon has served, and is still in the file and good, it goes
// on serving, whatever becomes of a refresh (R9).
func (j *judge) servedOn(d *daemon, e *protocol.Error, begun time.Duration) {
	if left := j.w.idp.accesses[j.serving[d.proc].access]; j.torn(d) != "" && left != nil && !left.misdated && j.w.clock.off == 0 && left.ends.Sub(j.w.clock.truth()) > 2*time.Minute {
		j.fail("a torn token changes nothing (F3)", "%s says %s, and a part of what it has served is in the file", d.name, e.Code)
	}
	g, a := j.inForce()
	if g == nil || j.w.idp.accesses[j.serving[d.proc].access] != a || a.wrong || a.misdated || j.w.clock.off != 0 {
		return
	}
	steady := begun-max(j.sinceMono, j.woken, j.putBack) > 2*time.Minute && j.moved < a.issued+a.slept
	if left := a.ends.Sub(j.w.clock.truth()); steady && left > 2*time.Minute {
		j.fail("an outage is no logout (R9)", "%s says %s (%s), and what it has served is good for %v", d.name, e.Code, strings.ReplaceAll(e.Message, "\n", "; "), left.Round(time.Second))
	}
}

// compared judges that the file was looked at before its token is sent: who has written another login
// there since, was not overlooked (F5).
func (j *judge) compared(p *process, refresh string) {
	j.read()
	pair, _ := tokenfile.Parse([]byte(j.content))
	g := j.w.idp.grants[pair.Refresh]
	if p.kind == aDaemon && len(j.w.cur.sends) == 0 && j.previous == refresh && g.alive() && g.fam.excuse == "" && j.sinceMono < j.w.clock.mono {
		j.fail("the file is compared before its token is sent (F5)", "%s sends %s, and %s has been in the file for %v", p.name, refresh, g.refresh, j.w.clock.mono-j.sinceMono)
	}
}

// leftAlone judges a refusal where a login of one line is in the file, whose maker does not go on with
// it: falcred does, whatever became of the login before (F3, R8).
func (j *judge) leftAlone(d *daemon) {
	w := j.w
	pair, err := tokenfile.Parse([]byte(j.content))
	g := w.idp.grants[pair.Refresh]
	if j.touched || err != nil || pair.Access != "" || !g.alive() || g.from != nil || j.begun[pair.Refresh] || g.fam.excuse != "" || w.clock.off != 0 {
		return
	}
	last := max(j.sinceMono, w.net.last, d.since, j.woken, j.putBack)
	if alone := w.clock.mono - last; alone > 3*time.Minute && w.clock.elapsed()-max(w.broken.last, j.moved) > 3*time.Minute && j.holder == nil {
		j.fail("a login of one line is refreshed (F3)", "%s has left %s alone for %v", d.name, g.refresh, alone)
	}
}

// patience is for how long nothing is sent, in true time, while the file stays as it was then.
type patience struct {
	until   time.Duration
	content string
}

// asksForPatience notes a Retry-After.
func (j *judge) asksForPatience(p *process, seconds int) {
	j.patience[p] = patience{j.w.clock.elapsed() + time.Duration(seconds)*time.Second, j.content}
}

// early judges that nothing is sent before the issuer's Retry-After is over (R7), and that clients
// force no refresh within five minutes of the last, though the daemon was started since (§4).
func (j *judge) early(d *daemon) {
	w := j.w
	now := w.clock.elapsed()
	if p := j.patience[d.proc]; now < p.until-time.Second && p.content == j.content && j.sinceMono < w.clock.mono && w.clock.off == 0 && now-j.moved > 2*time.Hour {
		j.fail("a Retry-After is honoured (R7)", "%s asks the issuer %v before it wants to be asked again", d.name, (p.until - now).Round(time.Second))
	}
	g, a := j.inForce()
	if w.idp.opaque || a.misdated || a.wrong || w.clock.off != 0 || a.issued+a.slept <= w.broken.last || now <= w.broken.last || j.putBack >= a.issued || g.from == nil || g.from.by == nil {
		return
	}
	if last, ok := j.asked[d.proc]; ok && now-last < 2*time.Minute {
		return // what another falcred got at the same time, the lock having been unlinked, may compete with its own (F5)
	}
	if age := now - a.issued - a.slept; age < 4*time.Minute && g.from.by == j.writer && j.writer.kind == aDaemon && w.clock.mono-j.sinceMono < age+time.Second {
		j.fail("clients force no refresh within 5 min of the last (§4)", "%s sends %s, which is %v old", d.name, g.refresh, age.Round(time.Second))
	}
}

// stores judges what a client has put into the file: of the account that is logged in (§4).
func (j *judge) stores(by *process, f *family) {
	e := j.expected
	known := e.fam != nil && e.sure && e.fam.ended == "" && e.fam.excuse == "" && !j.w.idp.opaque && j.w.clock.mono-e.since > 2*time.Minute
	if known && e.fam.subject != f.subject {
		j.fail("store does not change the account (§4)", "%s puts %s's login %d where %s is logged in", by.name, f.subject, f.id, e.fam.subject)
	}
}

// older is an old copy of a login that came back, and what a daemon held then.
type older struct {
	refresh string
	held    *grant
}

// returned notes that an old copy of what daemons hold is in the file: its access token says so,
// whatever falcred.consumed knows.
func (j *judge) returned(copied tokenfile.TokenPair) {
	clear(j.older)
	a := j.w.idp.accesses[copied.Access]
	if a == nil || j.w.idp.opaque || j.untold {
		return
	}
	for _, k := range j.keepers() {
		d := j.w.daemonOf(k.proc)
		if d.manager.Snapshot().State.Ledger.IsTip(copied.Refresh) {
			continue // to falcred that is the newest: it has refreshed nothing since
		}
		held := j.w.idp.accesses[d.manager.Snapshot().State.Tokens.Access]
		if held != nil && held.fam.subject == a.fam.subject && held.issued+held.slept-a.issued-a.slept > 6*time.Minute {
			j.older[k.proc] = older{copied.Refresh, k.held}
		}
	}
}

// takenOver notes that a neighbour has written what came for the login in the file, which the
// daemons have had for a while.
func (j *judge) takenOver(former tokenfile.TokenPair, age time.Duration, by *process) {
	before, a := j.w.idp.grants[former.Refresh], j.w.idp.accesses[former.Access]
	g, now := j.inForce()
	if by == nil || by.kind != aNeighbour || g == nil || a == nil || g.from != before || j.w.idp.opaque || age < 2*time.Minute || now.issued-a.issued < 2*time.Minute {
		return
	}
	for _, k := range j.w.daemons {
		if !k.serves() || k.manager.Snapshot().State.Tokens.Refresh != former.Refresh {
			return
		}
	}
	j.former, j.adopted = before, j.w.clock.mono
}

// noted says that the daemons have had a minute to write down that it was used up (F5).
func (j *judge) noted() {
	w := j.w
	if g := j.former; g != nil && !j.touched && w.clock.elapsed() > w.broken.last && w.clock.mono-j.adopted > time.Minute && w.clock.off == 0 {
		for _, d := range w.daemons {
			g.noted = g.noted || d.serves() && d.since < j.adopted
		}
	}
}

// replaces notes that somebody has logged in anew, to the same account: the daemon keeps what it
// had refreshed last until the new one has been (F5).
func (j *judge) replaces(former tokenfile.TokenPair, age time.Duration, before expectation, by *process) {
	old := j.w.idp.grants[former.Refresh]
	g, _ := j.inForce()
	if former.Refresh == "" && g != nil && (age > 2*time.Minute || g.fam.id == 1) && by != nil && by.kind == aCommand && (j.quiet() || g.fam.id == 1) {
		j.alone = g.fam
	}
	if g == nil || by == nil || by.kind != aCommand || !before.sure || before.fam == g.fam || !old.alive() || old.fam != before.fam {
		return
	}
	first := old.generation == 1 && old.fam == j.alone
	own := old.from != nil && old.from.by == j.w.daemons[0].proc
	if (first || own) && len(j.w.daemons) == 1 && old.fam.excuse == "" && old.fam.subject == g.fam.subject && !j.w.idp.opaque && j.quiet() && j.w.clock.mono-before.since > 2*time.Minute {
		j.spare, j.adopted = old, j.w.clock.mono
	}
}

// spares judges that what was kept is tried when the issuer has ended the login after it (R8).
func (j *judge) spares() {
	w := j.w
	pair, _ := tokenfile.Parse([]byte(j.content))
	g, a := w.idp.grants[pair.Refresh], w.idp.accesses[pair.Access]
	if j.spare == nil || j.touched || g == nil || a == nil || g.fam.ended == "" || !j.spare.alive() || j.spare.fam.excuse != "" || !j.quiet() {
		return
	}
	if slices.ContainsFunc(w.daemons, func(d *daemon) bool { return !d.serves() || d.since > j.adopted }) {
		return
	}
	due := a.issued + a.slept + w.idp.lifetime/2
	if late := min(w.clock.elapsed()-due, w.clock.mono-j.woken); late > 5*time.Minute && max(j.troubledUntil, w.broken.last) < due {
		j.fail("the login before one that has ended is tried (R8)", "login %d has ended, and %s lives and was not tried for %v", g.fam.id, j.spare.refresh, late.Round(time.Second))
	}
}
