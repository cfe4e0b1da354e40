//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// judge compares what falcred does with what the issuer, the disk and the people know. It
// asks falcred nothing but what a client can ask.
type judge struct {
	w       *world
	verdict *verdict // the first that was found

	expected expectation
	storing  map[*family]bool
	erasing  int // erases under way
	locally  int // those of them that revoke nothing

	made     time.Duration // when somebody wrote a login of one line, which he goes on with
	moved    time.Duration // when the wall clock was set
	emptied  time.Duration // when a neighbour left the file empty
	filling  []keeper      // those who held a login then
	keeping  []keeper      // those who held the login whose file a neighbour has deleted in an outage
	deletion time.Duration // when that was
	removal  time.Duration // when somebody has deleted the file by hand, the issuer being heard
	orphan   *family       // whose token was on its way then…
	orphanOf *process      // …to this daemon
	content  string        // the token file's, as it was seen last
	previous string        // the refresh token that it had before
	exists   bool          //
	gone     time.Duration // since when there has been none
	removed  *grant        // what was in it then
	lived    time.Duration // for how long that had been in it
	former   *grant        // what was in it before a neighbour's refresh
	adopted  time.Duration // when that was
	alone    *family       // the last that was written where there was none, and none held
	spare    *grant        // what a `falcred login` of the same account has put out of the file
	toucher  *process      // who has touched it since
	touched  bool
	writer   *process // whose content it is
	durable  bool     // its folder was synced since
	under    bool     // what a neighbour wrote, and did not bring to the disk, may come back in a power cut
	inFlight map[string]*request
	odd      map[string]bool            // what neighbours have left that is no login, and can look like one
	serving  map[*process]served        // what each daemon has served last
	older    map[*process]older         // an old copy of what each holds
	unheard  map[*process]unanswered    // what each has had no answer to
	patience map[*process]patience      // for how long the issuer has asked each to wait
	foreign  map[string]bool            // another issuer's logins, as the file had them, and their access tokens
	begun    map[string]bool            // what a falcred has sent
	asked    map[*process]time.Duration // when each had an answer last
	unlinks  int                        // of the lock, by neighbours, each counted before and after
	holder   *neighbourLock             // the neighbour who has it

	hour     time.Duration // since when requests are counted
	requests int

	disturbedUntil time.Duration // in true time: what is expected of falcred's pace is expected after that
	troubledUntil  time.Duration // the same without sleep
	woken          time.Duration // when the machine did last
	since          time.Duration // when the file has changed, in true time
	sinceMono      time.Duration
	untold         bool          // falcred.json was put back once: it can name an old copy as the newest
	putBack        time.Duration // when a file was put back as it had been, by a power cut or a backup
}

// request is one of a falcred's for a refresh.
type request struct {
	by      *process
	unlinks int // when its lock was last compared with the path
}

// unanswered is a refresh that nobody has answered.
type unanswered struct {
	refresh string
	at      time.Duration
}

// keeper is a daemon that has a living token in memory which is in no file.
type keeper struct {
	proc *process
	held *grant
}

// blameless says that a token lives, and that nobody but falcred could take its login away.
func (j *judge) blameless(g *grant) bool { return g.alive() && g.fam.excuse == "" }

// keepers are those of the daemons.
func (j *judge) keepers() (all []keeper) {
	for _, d := range j.w.daemons {
		if d.serves() {
			if g := j.w.idp.grants[d.manager.Snapshot().State.Tokens.Refresh]; j.blameless(g) {
				all = append(all, keeper{d.proc, g})
			}
		}
	}
	return all
}

// keeps says that it could have put its token into the file.
func (k keeper) keeps() bool { return !k.proc.dead && k.held.alive() }

// empties notes that a neighbour has left the file empty.
func (j *judge) empties() {
	j.emptied, j.filling = j.w.clock.mono, j.keepers()
}

// fillable says that the file is empty, and that a daemon has what belongs into it.
func (j *judge) fillable() bool {
	return j.exists && j.content == "" && slices.ContainsFunc(j.filling, keeper.keeps)
}

// deleted notes that a neighbour has deleted the file of a login since it could not refresh: where
// it did not hear the issuer, nor falcred will for a while, falcred undoes it (F7).
func (j *judge) deleted(f *family, refresh string) {
	since := j.sinceMono
	j.read()
	away, mute := max(j.w.net.down, j.w.net.pages)-j.w.clock.mono, j.w.net.mute-j.w.clock.mono
	if max(away, mute) < keptAfter || j.sending(refresh) {
		return
	}
	j.deletion = j.w.clock.mono
	j.keeping = slices.DeleteFunc(j.keepers(), func(k keeper) bool {
		u := j.unheard[k.proc]
		knows := away >= keptAfter || u.refresh == k.held.refresh && u.at > max(j.w.net.muted, since) // whose own refreshes of it are not answered
		return k.held.fam != f || k.held.refresh != refresh || !knows
	})
}

// keptAfter is when a daemon has certainly found out that it does not hear the issuer either.
const keptAfter = 2 * time.Minute

// acts notes that something happens, which may end an outage, or begin one before a daemon has
// asked the issuer whether a deletion was a logout.
func (j *judge) acts() {
	j.orphaned()
	j.noted()
	j.spares()
	if j.w.clock.mono-j.deletion < keptAfter {
		j.keeping = nil
	}
}

// verdict is a rule that falcred has broken.
type verdict struct{ rule, text string }

// expectation is which login has to be served.
type expectation struct {
	fam   *family // nil: none
	sure  bool
	since time.Duration
	loose bool // who wrote it had no lock: between a look and a rename nobody can see him
}

func (j *judge) failed() bool { return j.verdict != nil }

func (j *judge) fail(rule, format string, args ...any) {
	if j.verdict == nil {
		j.verdict = &verdict{rule, fmt.Sprintf(format, args...)}
		j.w.say("BROKEN: %s: %s", rule, j.verdict.text)
	}
}

func (j *judge) expect(f *family, sure bool) {
	j.expected = expectation{fam: f, sure: sure, since: j.w.clock.mono}
}

// disturb notes that something is not as it should be, now.
func (j *judge) disturb() {
	j.disturbedUntil = max(j.disturbedUntil, j.w.clock.elapsed()+10*time.Second)
	j.trouble()
}

// slept notes that the machine wakes up.
func (j *judge) slept() {
	j.woken = j.w.clock.mono
	now := j.w.clock.elapsed()
	j.disturbedUntil = max(j.disturbedUntil, j.w.net.last+j.w.clock.slept, now+10*time.Second)
	if j.w.clock.mono < j.w.net.last {
		j.trouble()
	}
}

// calm is for how long nothing has disturbed falcred.
func (j *judge) calm() time.Duration {
	w := j.w
	running := false
	for _, d := range w.daemons {
		running = running || d.serves()
	}
	if !running || w.clock.mono < w.net.last || w.clock.off != 0 {
		return 0
	}
	return j.w.clock.elapsed() - j.disturbedUntil
}

// knows says that falcred has had a token used up, and the answer is on the disk for good, or with who asks.
func (j *judge) knows(g *grant, p *process) bool {
	return g.recorded || g.reached != nil && g.reached == p
}

// sends judges what leaves (F5, R7), and that it leaves once (R1, F1).
func (j *judge) sends(p *process, refresh string) {
	g := j.w.idp.grants[refresh]
	for other, f := range j.inFlight {
		if !f.by.dead && (other == refresh || f.unlinks == j.unlinks) {
			j.fail("one request in flight", "%s sends %s while %s waits for the answer to %s", p.name, refresh, f.by.name, other)
		}
	}
	confirmed := j.w.cur.confirmed
	if h := j.holder; h != nil && h.unlinks == j.unlinks && (confirmed == j.unlinks || confirmed < 0) {
		j.fail("falcred respects the neighbours' lock (F1)", "%s sends %s while a neighbour holds it", p.name, refresh)
	}
	if age := j.w.clock.elapsed() - j.made; j.w.clock.off == 0 && j.made > j.moved && !j.expected.loose && p.kind == aDaemon && j.content == refresh && age < 900*time.Millisecond && !j.begun[refresh] {
		j.fail("a login in the making is left to its maker (F3)", "%s sends %s, which was written %v ago", p.name, refresh, age)
	}
	if d := j.w.daemonOf(p); d != nil && j.holds(refresh) {
		j.late(d)
		j.early(d)
	}
	j.compared(p, refresh)
	j.begun[refresh] = true
	j.inFlight[refresh] = &request{p, confirmed}
	j.repeats(j.w.cur, refresh)
	j.paced()
	if j.foreign[j.content] && strings.HasPrefix(j.content, refresh+"\n") {
		j.fail("a refresh token goes to its own issuer alone (R13)", "%s sends %s, which is another issuer's", p.name, refresh)
	}
	if o, ok := j.older[p]; ok && o.refresh == refresh && o.held.fam.ended == "" {
		j.fail("an old copy is never sent (F5)", "%s sends %s, and held %s when that came back", p.name, refresh, o.held.refresh)
	}
	if g != nil && g.distrusted {
		j.fail("a wrong ID token's login is not refreshed (R10)", "%s sends %s, which came with one", p.name, refresh)
	}
	if g != nil && g.noted {
		j.fail("a consumed token is never sent", "%s sends %s, which a neighbour has used up", p.name, refresh)
	}
	if g != nil && g.closed > 0 {
		j.fail("a logout stays one", "%s sends %s, which was logged out of here %v ago", p.name, refresh, j.w.clock.elapsed()-g.closed)
	}
	if g == nil || g.by == nil {
		return
	}
	list, _ := j.w.disk.ReadRaw(home + "/" + journal.ConsumedName)
	print := tokenfile.Fingerprint(refresh)
	switch {
	case j.knows(g, p):
		j.fail("a consumed token is never sent", "%s sends %s, whose answer falcred has", p.name, refresh)
	case listed(list, print):
		j.fail("a consumed token is never sent", "%s sends %s, which stands in falcred.consumed", p.name, refresh)
	}
}

// repeats judges how often a rotation sends a token: once, and once more where the answer is lost.
func (j *judge) repeats(t *thread, refresh string) {
	if t.sends == nil {
		t.sends = map[string]int{}
	}
	if t.sends[refresh]++; t.rotates && t.sends[refresh] > 2 {
		j.fail("a lost answer is asked for once more (R7)", "%s sends %s for the %dth time in one rotation", t.proc.name, refresh, t.sends[refresh])
	}
}

// mostAnHour is how many requests a falcred of a home may make in an hour: it has R7's pauses, of
// 36 s at least in the end, and each try is two where an answer is lost; who was killed begins
// with short ones again. In a calm there is little to do.
const mostAnHour = 400

// paced judges how often the issuer is asked.
func (j *judge) paced() {
	if now := j.w.clock.elapsed(); now-j.hour > time.Hour {
		j.hour, j.requests = now, 0
	}
	if j.requests++; j.requests > mostAnHour*len(j.w.daemons) || j.calm() > 70*time.Minute && j.requests > 20 {
		j.fail("the issuer is asked with pauses (R7)", "%d requests in %v", j.requests, (j.w.clock.elapsed() - j.hour).Round(time.Second))
	}
}

func listed(list []byte, print string) bool {
	record, err := hex.DecodeString(print)
	if err != nil {
		panic(err)
	}
	for ; len(list) >= len(record); list = list[len(record):] {
		if bytes.Equal(list[:len(record)], record) {
			return true
		}
	}
	return false
}

func (j *judge) sent(p *process, refresh string) {
	j.asked[p] = j.w.clock.elapsed()
	if f := j.inFlight[refresh]; f != nil && f.by == p {
		delete(j.inFlight, refresh)
	}
}

// excludes judges that a neighbour got the lock.
func (j *judge) excludes(l *neighbourLock) {
	j.holder = l
	for refresh, f := range j.inFlight {
		if !f.by.dead && f.unlinks == j.unlinks {
			j.fail("a neighbour is kept out while a request is in flight (F1)", "a neighbour gets the lock while %s waits for the answer to %s", f.by.name, refresh)
		}
	}
}

// sending says whether a falcred has a request with this token under way.
func (j *judge) sending(refresh string) bool {
	f := j.inFlight[refresh]
	return f != nil && !f.by.dead
}

// reuse judges the end of a login by a token that came back.
func (j *judge) reuse(g *grant, who *process) {
	if who.kind > aCommand {
		return // by a neighbour, who had it from a reading of his own
	}
	if j.storing[g.fam] && g.from == nil {
		return // a store's, of which nobody replays a lost answer
	}
	if g.by == nil || g.by.kind > aCommand {
		return // or used up by one, which falcred could not know, or sends has spoken
	}
	if e := j.expected.fam; e != nil && e != g.fam && e.ended != "" {
		return // another login has taken its place since, and it is tried because that one is over
	}
	// Its answer was lost. Where there was time for a replay, that should have been made.
	overlap := j.w.idp.overlap
	begun := max(g.retired, j.disturbedUntil)
	if free := g.retired + overlap - begun; free > 90*time.Second && j.calm() > 0 {
		j.fail("a login is never lost by falcred", "%s replays %s after %v, though the issuer would have forgiven it for %v, and nothing was in its way for %v of that",
			who.name, g.refresh, (j.w.clock.elapsed() - g.retired).Round(time.Second), overlap, free.Round(time.Second))
	}
}

// revoked judges a revocation that came from a falcred.
func (j *judge) revoked(g *grant, who *process) {
	if who.dead { // somebody had asked for it
		j.expected.sure = false
		return
	}
	steady := j.w.clock.mono-j.expected.since > 30*time.Second
	if who.kind == aDaemon && j.erasing == 0 && steady && j.expected.sure && j.expected.fam == g.fam && !j.storing[g.fam] {
		j.fail("a login is never lost by falcred", "%s revokes login %d, which is in force", who.name, g.fam.id)
	}
}

// refused notes that the issuer has refused a refresh, which is tried again after an hour (R8), but for
// a login that has come since.
func (j *judge) refused(refresh string) {
	if j.read(); !strings.HasPrefix(j.content, refresh) {
		return
	}
	j.disturbedUntil = max(j.disturbedUntil, j.w.clock.elapsed()+longestPause)
}

// subject is whose a token is as far as a daemon knows.
func (j *judge) subject(p *process, refresh string) string {
	d := j.w.daemonOf(p)
	if d == nil || !d.serves() {
		return ""
	}
	return d.manager.Snapshot().State.Ledger.SubjectOf(refresh)
}

// loggedOut says that a person has ended the login.
func (j *judge) loggedOut(f *family) {
	j.read()
	j.keeping, j.filling = nil, nil
	if !j.exists && j.writer != nil {
		j.claims(j.writer)
	}
	if f != nil {
		f.excuse = "it was logged out here"
	}
	full := j.w.disk.Full || j.w.clock.mono < j.w.broken.errors // nothing tells the other daemons of the home
	if g := j.removed; !j.exists && j.gone == j.w.clock.mono && g != nil {
		if g.alive() && j.w.clock.elapsed() > j.w.broken.last {
			g.closed = j.w.clock.elapsed()
		}
	}
	if !j.exists && !full {
		j.expect(nil, j.lived > time.Second) // a daemon that has not seen it holds the login before
	} else {
		j.expected.sure = false
	}
}

// neighbourReads judges what falcred has left in the file for a neighbour to use.
func (j *judge) neighbourReads(p *process, refresh string) {
	g := j.w.idp.grants[refresh]
	if g == nil || g.by == nil || g.by.kind > aCommand || !g.recorded || j.calm() < 2*time.Minute {
		return
	}
	if age := j.w.clock.elapsed() - g.retired; age > 2*time.Minute && j.writer != nil && j.writer.kind <= aCommand {
		j.fail("the file is always fresh", "%s finds %s in the file, which was used up %v ago", p.name, refresh, age.Round(time.Second))
	}
}

// read sees what has become of the token file.
func (j *judge) read() {
	if !j.touched {
		return
	}
	j.touched = false
	data, exists := j.w.disk.ReadRaw(tokenPath)
	same := exists == j.exists && string(data) == j.content
	if j.toucher != nil || !same {
		j.writer, j.durable = j.toucher, false
		j.under = j.under || j.writer != nil && j.writer.kind > aCommand
	}
	if !same {
		j.keeping = nil
		if !exists {
			pair, _ := tokenfile.Parse([]byte(j.content))
			j.gone, j.removed = j.w.clock.mono, j.w.idp.grants[pair.Refresh]
		}
		former, _ := tokenfile.Parse([]byte(j.content))
		j.previous = former.Refresh
		age := j.w.clock.mono - j.sinceMono
		j.lived = age
		before := j.expected
		j.former, j.spare = nil, nil
		j.content, j.exists = string(data), exists
		j.since, j.sinceMono = j.w.clock.elapsed(), j.w.clock.mono
		j.changed(j.toucher)
		j.takenOver(former, age, j.toucher)
		j.replaces(former, age, before, j.toucher)
	}
}

// changed judges a change of the token file.
func (j *judge) changed(by *process) {
	pair, err := tokenfile.Parse([]byte(j.content))
	g := j.w.idp.grants[pair.Refresh]
	whole := j.exists && err == nil && g != nil
	j.made = 0
	if by == nil || by.kind > aCommand { // a part of an access token is one, until a server says
		j.odd[pair.Access] = j.w.idp.accesses[pair.Access] == nil
	}
	switch {
	case by == nil: // what a power cut or a backup has left
		j.expected.sure = false
	case by.kind == aDaemon:
		j.writes(by, g, whole)
	case j.exists && !whole:
		j.odd[j.content] = true
	case whole:
		j.w.say("%s has written login %d (%s)", by.name, g.fam.id, g.refresh)
		j.expect(g.fam, g.alive())
		if pair.Access == "" && by.kind == aPerson {
			j.made = j.w.clock.elapsed()
		}
		j.expected.loose = by.kind > aCommand && (j.holder == nil || j.holder.by != by)
	case !j.exists && by.name == "rm" && j.quiet(): // each daemon can ask the issuer: a logout (F7)
		j.removedByHand()
	case !j.exists:
		j.expected.sure = false // a logout, if the issuer can be asked
	}
}

// writes judges what a daemon does to the file.
func (j *judge) writes(by *process, g *grant, whole bool) {
	e := j.expected
	switch {
	case !j.exists:
		switch {
		case j.erasing == 0:
			j.fail("falcred never deletes the token file (F4)", "%s has deleted it", by.name)
		case j.locally == 0 && e.sure && e.since < j.w.clock.mono && j.removed.alive() && j.removed.fam == e.fam && e.fam.excuse == "":
			j.fail("a login that a person made wins", "%s deletes login %d, which it has not revoked", by.name, e.fam.id)
		}
		j.expected.sure = false // until the erase says that it has
		return
	case !whole && (j.odd[j.content] || j.w.linked && j.content != ""): // a part of a line is a line
		j.expected.sure = false
		return
	case !whole:
		j.fail("the file is never torn", "%s has left %q in it", by.name, j.content)
		return
	}
	if pair, _ := tokenfile.Parse([]byte(j.content)); pair.Access != "" && j.w.idp.accesses[pair.Access] == nil && !j.odd[pair.Access] && !j.w.linked {
		j.fail("the file is never torn", "%s has put %q into it, which nobody was given", by.name, pair.Access)
	}
	j.w.say("%s has written login %d (%s)", by.name, g.fam.id, g.refresh)
	g.distrusted = g.distrusted || g.wrong && g.from.reached == by && j.w.clock.elapsed() > j.w.broken.last
	switch {
	case g.by != nil && j.knows(g, by):
		j.fail("a consumed token is never written", "%s puts %s into the file, whose answer falcred has", by.name, g.refresh)
	case j.storing[g.fam]:
		j.stores(by, g.fam)
		j.expect(g.fam, true)
	case e.loose && e.since == j.w.clock.mono: // within one moment
		j.expect(g.fam, false)
	case e.sure && e.fam == nil:
		j.fail("a logout stays one", "%s puts login %d into the file again", by.name, g.fam.id)
	case e.sure && e.fam.subject != g.fam.subject && !(e.fam.excuse != "" && j.emptied >= e.since): // what its maker never wrote was not in the file
		j.fail("a login of one is not another's (R8)", "%s puts %s's login %d where %s has logged in", by.name, g.fam.subject, g.fam.id, e.fam.subject)
	case e.sure && e.fam != g.fam && e.fam.ended == "" && e.fam.excuse == "":
		j.fail("a login that a person made wins", "%s puts login %d in the place of login %d", by.name, g.fam.id, e.fam.id)
	case e.fam != g.fam:
		j.expect(g.fam, false)
	}
}

// claims says that a falcred takes what it has written for safe.
func (j *judge) claims(p *process) {
	if j.writer == p && p.kind <= aCommand && j.w.clock.elapsed() > j.w.broken.last {
		j.durable = true
	}
}

// written judges that what was used up is written down before the file has what came for it (F5).
func (j *judge) written(pair tokenfile.TokenPair) {
	g := j.w.idp.grants[pair.Refresh]
	if g == nil || g.from == nil || !g.from.recorded || g.from.retired < j.w.broken.last {
		return
	}
	list, _ := j.w.disk.ReadRaw(home + "/" + journal.ConsumedName)
	if !listed(list, tokenfile.Fingerprint(g.from.refresh)) {
		j.fail("what was used up is written down (F5)", "after a power cut %s stands nowhere, and %s is in the file", g.from.refresh, g.refresh)
	}
}

// powerCut judges what a power cut has left of the file.
func (j *judge) powerCut() {
	j.inFlight, j.holder = map[string]*request{}, nil
	j.unlinks++ // its file may be gone
	j.disturb()
	j.putBack = j.w.clock.mono
	before, existed := j.content, j.exists
	writer, durable := j.writer, j.durable
	j.touched, j.toucher = true, nil
	j.read()
	if pair, err := tokenfile.Parse([]byte(before)); err == nil && durable && writer != nil && writer.kind == aDaemon {
		j.written(pair)
	}
	if j.writer != nil || before == j.content && existed == j.exists {
		j.writer = writer
		return
	}
	if f := j.expected.fam; j.w.linked && f != nil && !durable {
		f.excuse = "the file has two names, and was being written in place"
		return
	}
	ours := writer != nil && writer.kind <= aCommand
	under := j.under
	j.under = false // what is there now is on the disk
	if !ours || under && !durable {
		if f := j.expected.fam; f != nil {
			f.excuse = "what a neighbour had written was lost with the machine's power"
		}
		return
	}
	pair, err := tokenfile.Parse([]byte(j.content))
	switch {
	case durable:
		j.fail("what was written is on the disk", "after the power cut the file holds %q, and %s had written %q", j.content, writer.name, before)
	case j.exists && (err != nil || j.w.idp.grants[pair.Refresh] == nil):
		j.fail("the file is never torn", "after the power cut it holds %q", j.content)
	}
}

// answered judges what a client was told.
func (j *judge) answered(d *daemon, q protocol.Query, a *login.Answer, err error, begun time.Duration) {
	w := j.w
	steady := j.expected.sure && w.clock.mono-j.expected.since > 90*time.Second && begun-j.expected.since > 90*time.Second
	f := j.expected.fam
	if err == nil {
		w.counts.answers++
		t := w.idp.accesses[string(a.Secret)]
		torn := j.torn(d)
		if g, inFile := j.inForce(); inFile != nil && inFile == t {
			j.serving[d.proc] = served{g.refresh, string(a.Secret)}
		}
		switch {
		case !j.exists && !j.touched && begun-j.gone > 90*time.Second: // a lost event costs a minute
			j.fail("without a token file nothing is served (F3)", "%s serves a token, and the file has been gone for %v", d.name, w.clock.mono-j.gone)
		case j.foreign[string(a.Secret)]:
			j.fail("another issuer's login is not served (R13)", "%s serves it", d.name)
		case t == nil && torn == string(a.Secret) && torn != "":
			j.fail("a torn token is not served (F3)", "%s serves a part of what it has served before", d.name)
		case t == nil && j.odd[string(a.Secret)]:
		case t == nil:
			j.fail("what is served is the issuer's", "%s serves %q", d.name, a.Secret)
		case t.wrong:
			j.fail("a wrong ID token's login is not served (R10)", "%s serves it", d.name)
		case w.clock.off == 0 && j.calm() > 0 && w.clock.truth().After(t.ends.Add(time.Second)) && !(t.misdated && (t.issued < d.since || t.slept < w.clock.slept)):
			j.fail("what is served has not run out", "%s serves a token that has run out %v ago", d.name, w.clock.truth().Sub(t.ends))
		case steady && f == nil:
			j.fail("a logout stays one", "%s serves login %d after the logout", d.name, t.fam.id)
		case steady && f != t.fam && f.ended == "":
			j.fail("what is served is of the login in force", "%s serves login %d, and login %d is in force", d.name, t.fam.id, f.id)
		case f != nil && f != t.fam && j.tells(d, begun):
			j.fail("a new login is adopted at once (F3)", "%s serves login %d, %v after login %d was written", d.name, t.fam.id, w.clock.mono-j.expected.since, f.id)
		case q.Rejected != "" && q.Rejected == a.Secret:
			j.rejectedAgain(d, string(a.Secret), begun)
		}
		if _, inFile := j.inForce(); inFile != nil && inFile == t {
			j.late(d)
		}
		return
	}
	w.counts.refusals++
	var e *protocol.Error
	if !errors.As(err, &e) {
		return // the daemon ends, or the client has left
	}
	j.servedOn(d, e, begun)
	j.leftAlone(d)
	if !steady || f == nil || f.ended != "" || f.excuse != "" || j.calm() < 2*time.Minute || w.clock.mono-d.since < 2*time.Minute {
		return
	}
	if j.content == "" && d.since >= j.emptied {
		return // it has never seen what a neighbour emptied
	}
	if e.Code == protocol.CodeLoginRequired || e.Code == protocol.CodeNotFound {
		j.fail("what people are told is true", "%s says %s (%s), and login %d is alive", d.name, e.Code, strings.ReplaceAll(e.Message, "\n", "; "), f.id)
	}
}

// recovered judges that falcred has come back by itself, when nothing has gone wrong for longer
// than any of its pauses.
func (j *judge) recovered() {
	w, e := j.w, j.expected
	for _, d := range w.daemons {
		if j.exists && j.content == "" && d.serves() && d.since < j.emptied && j.blameless(w.idp.grants[d.manager.Snapshot().State.Tokens.Refresh]) {
			j.fail("an empty file is filled again (F3)", "%s holds a login, and the file has been empty for %v", d.name, w.clock.mono-j.emptied)
		}
	}
	if j.fillable() {
		j.fail("an empty file is filled again (F3)", "a daemon has held %s, and the file has been empty for %v", j.filling[0].held.refresh, w.clock.mono-j.emptied)
	}
	if i := slices.IndexFunc(j.keeping, keeper.keeps); i >= 0 && !j.exists {
		j.fail("a file that vanished in an outage comes back (F7)", "%s held %s, and the file has been gone for %v", j.keeping[i].proc.name, j.keeping[i].held.refresh, w.clock.mono-j.deletion)
	}
	j.keeping = nil
	pair, err := tokenfile.Parse([]byte(j.content))
	g := w.idp.grants[pair.Refresh]
	forgotten := j.exists && j.content == "" && !slices.ContainsFunc(w.daemons, func(d *daemon) bool { return d.since < j.emptied })
	if blameless := e.fam != nil && e.sure && e.fam.ended == "" && e.fam.excuse == ""; blameless && !forgotten {
		switch {
		case !j.exists || err != nil || g == nil:
			j.fail("a login is never lost by falcred", "login %d is alive, and the file holds %q", e.fam.id, j.content)
		case g.fam != e.fam:
			j.fail("a login is never lost by falcred", "login %d is alive, and login %d is in the file", e.fam.id, g.fam.id)
		case !g.alive() && !j.remembered(e.fam):
			j.fail("a login is never lost by falcred", "login %d is alive, and %s in the file was used up", e.fam.id, g.refresh)
		}
	}
	if j.exists && err == nil && g.alive() && g.fam.excuse == "" {
		for _, d := range w.daemons {
			if d.serves() && w.clock.mono-d.since > time.Hour {
				j.wantServed(d, g.fam)
			}
		}
	}
	switch {
	case j.exists && err == nil && g.alive():
		j.expect(g.fam, true)
	default:
		j.expect(nil, !j.exists)
	}
}

// remembered says that a daemon has a living token of a login as its fallback: it is tried when
// the one in the file is rejected.
func (j *judge) remembered(f *family) bool {
	return slices.ContainsFunc(j.w.daemons, func(d *daemon) bool {
		if !d.serves() {
			return false
		}
		g := j.w.idp.grants[d.manager.Snapshot().State.Fallback.Refresh]
		return g != nil && g.fam == f && g.alive()
	})
}

// wantServed wants a daemon to serve the login in the file.
func (j *judge) wantServed(d *daemon, f *family) {
	s := d.manager.Snapshot()
	a := s.Ready(protocol.Query{ServerURL: server}, j.w.clock.reading())
	if a == nil {
		j.fail("falcred comes back by itself", "%s does not serve login %d: %s (%s)", d.name, f.id, s.Status().State, s.Status().LastError)
		return
	}
	if t := j.w.idp.accesses[string(a.Secret)]; t == nil || t.fam != f {
		j.fail("falcred comes back by itself", "%s serves another login than the one in the file", d.name)
	}
}

// operates sees what a process asks the disk for, which will not be done where it fails.
func (j *judge) operates(p *process, op drive.Op, fails bool) {
	w := j.w
	if w.cur == nil {
		return
	}
	if op.Path == tokenPath && p.kind > aCommand { // opening it can empty it
		j.touched, j.toucher = true, p
	}
	if op.Path == lockPath && op.Kind == drive.Lstat {
		w.cur.confirmed = j.unlinks
	}
	switch {
	case fails:
	case op.To == tokenPath && class(op.Path) == "the entry":
		w.cur.phase = "committed: " // once it is done
		j.touched, j.toucher = true, p
	case op.Kind == drive.Create && class(op.Path) == "the entry":
		w.cur.phase = "begun: "
	case op.To == tokenPath, op.Path == tokenPath && writes(op) && op.Kind != drive.Chmod && op.Kind != drive.Sync:
		j.touched, j.toucher = true, p
	case op.Kind == drive.SyncFolder && op.Path == home:
		w.cur.then = func() {
			j.durable = true
			j.under = j.under && j.writer != nil && j.writer.kind > aCommand
		}
	case op.Kind == drive.Sync && class(op.Path) == "the entry":
		t := w.cur
		t.then = func() { j.record(t, op.Path) }
	}
}

// record notes that an answer is in the journal, on the disk.
func (j *judge) record(t *thread, path string) {
	text, sealed := j.w.disk.Head(path)
	pair, err := tokenfile.Parse(text)
	if g := j.w.idp.grants[pair.Refresh]; err == nil && sealed && g != nil && g.from != nil {
		g.from.recorded = true
		t.phase = "recorded: "
	}
}

// restored notes that a file is as it was: what was learned since is forgotten.
func (j *judge) restored(path string, at time.Duration) {
	j.disturb()
	j.putBack = j.w.clock.mono
	if path == tokenPath {
		j.touched, j.toucher = true, nil
		j.read()
		j.writer = nil
		pair, _ := tokenfile.Parse([]byte(j.content))
		if g := j.w.idp.grants[pair.Refresh]; g != nil && g.fam != j.expected.fam {
			g.fam.excuse = "a later login had taken its place, which makes it an old copy (F5)"
		}
		j.returned(pair)
		return
	}
	j.untold = j.untold || path == home+"/"+journal.LedgerName
	for _, g := range j.w.idp.grants { // in any order: each for itself
		if g.by != nil && g.retired > at {
			g.recorded, g.reached = false, nil
		}
		if g.closed > at {
			g.closed = 0
		}
		g.noted, g.distrusted = false, false
	}
	if f := j.expected.fam; f != nil && path == home+"/"+journal.LedgerName && j.w.plan.opaque && len(journal.Others(tokenPath, "")) > 0 {
		f.excuse = "falcred.json was put back that vouched for an answer in the journal"
	}
}
