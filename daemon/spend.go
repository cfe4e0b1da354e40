package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// emptyGrace is how long F5's comparison waits for a neighbour that is
// between its truncate and its write.
const emptyGrace = writerDied

// spend sends one refresh token and brings the answer to the disk. before is
// what the file held when the decision was made; refresh is its token, or the
// one that is tried instead (R8, F7).
func (e *errand) spend(before reading, refresh string) (*news, error) {
	p, err := openPlace(e.target, refresh)
	if err != nil {
		return nil, placeTrouble(err)
	}
	if err := e.unchanged(before); err != nil {
		p.abandon()
		return nil, err
	}
	e.recordIssuer()
	r := e.send(p, refresh)
	s := unavailable(fmt.Sprint(r.err), "it is tried again")
	s.after = r.retryAfter
	switch r.outcome {
	case granted:
		return e.save(p, before, refresh, r)
	case rejected:
		p.discard()
		return e.retire(before, refresh)
	case lost, broken:
		p.keep() // the note stays: the next try is a replay
		s.mend = mendNetwork
		return nil, s
	case unsent:
		s.mend = mendNetwork
	case refused:
		s.after, s.mend = max(hourly, s.after), "if it lasts, "+loginHint
	}
	p.abandon()
	return nil, s
}

// placeTrouble is R4's stop: the disk is full or read-only, and nothing is spent.
func placeTrouble(err error) *setback {
	if errors.Is(err, errPlaceBusy) {
		return unavailable(err.Error(), "wait for it: it is tried again")
	}
	what, mend := parts(err)
	return unavailable("no refresh, since its answer could not be kept: "+what, firstOf(mend, mendDisk))
}

// send is R7: one request, and one replay if its answer was lost.
func (e *errand) send(p *place, refresh string) reply {
	if e.offline != nil {
		return reply{outcome: unsent, err: e.offline}
	}
	r := e.issuer.exchange(e.ctx, refresh, grantTimeout)
	if r.outcome != lost {
		return r
	}
	e.log.Warn("the answer to a refresh was lost; replaying once", "cause", r.err)
	p.maySpent = true
	ctx, cancel := context.WithTimeout(e.ctx, replayTimeout)
	defer cancel()
	return e.issuer.exchange(ctx, refresh, replayTimeout)
}

// save brings an answer to the disk (R5) and into the file, if that still
// holds what was read before sending (F5).
func (e *errand) save(p *place, before reading, refresh string, r reply) (*news, error) {
	subject := e.take(refresh, r, before)
	n := &news{got: &r, subject: subject}
	if err := p.record(r.pair); err != nil {
		e.log.Error("a received token could not be written", "cause", err)
		p.keep() // should we die now, the next start replays at once (R4)
		return n, nil
	}
	e.mu.Lock()
	e.owed = "" // the answer is safe
	e.saveMemoryLocked()
	e.mu.Unlock()
	if err := e.hold.confirm(e.ctx); err != nil {
		e.log.Warn("the lock was lost during a refresh; the comparison decides", "cause", err)
	}
	err := p.finish(r.pair)
	now := e.judged(e.settledReading())
	switch {
	case e.ours(now, before):
		if err == nil {
			err = p.commit(e.file, e.target, r.pair)
		}
		if err != nil {
			e.log.Error("a received token could not be put in place", "cause", err)
			p.keep()
			return n, nil
		}
		e.mu.Lock()
		e.unsaved, e.limbo, e.empty = "", false, time.Time{}
		e.log.Info("refreshed", "expires", e.login.expires)
		e.happenedLocked(EventRefreshed, "")
		e.onChange.add(change{state: EventRefreshed})
		e.mu.Unlock()
	case now.state == fileAbsent && !p.there():
		// The whole folder is away, and may come back with the answer in it
		// (F3). If it does not, nobody has what came.
		p.keep()
	case now.state == fileAbsent: // a logout while the refresh was under way
		p.discard()
		e.mu.Lock()
		e.forgetLocked("the token file was deleted during a refresh")
		e.mu.Unlock()
		return &news{revoke: r.pair.refresh}, nil
	case now.state == fileHolds: // another login: it counts, ours is kept as the fallback
		p.discard()
		e.mu.Lock()
		e.foundLocked(now.pair, false, false, time.Now())
		e.mu.Unlock()
		return &news{}, nil
	default:
		p.keep() // a thing that is no token file; the answer waits beside it
	}
	return n, nil
}

// ours is F5's comparison: the file still holds what was read before sending.
// A neighbour's late write of a token that is consumed by now, and a writer that
// died, are no other login.
func (e *errand) ours(now, before reading) bool {
	switch now.state {
	case fileEmpty:
		return true
	case fileHolds:
		return now.pair.refresh == before.pair.refresh || e.stale(now.pair)
	}
	return now.state == before.state && (now.state != fileAbsent || e.wasLimbo)
}

// take makes the answer the login that is held; it is shown once verified.
func (e *errand) take(refresh string, r reply, before reading) (subject string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, skew := fromReply(r.pair, r.lifetime, time.Now())
	if skew != 0 {
		e.warnLocked("this machine's clock differs from the issuer's by " + skew.Round(time.Second).String())
	}
	subject, e.owed = e.memory.step(refresh, r.pair), refresh
	e.fallback = fallback{r.pair.refresh, t.subject}
	if e.issuer.chain(subject).contradicts(r.idToken) != nil { // R10: written down before anybody finds it in the file
		e.memory.distrust(r.pair)
		e.fallback = fallback{}
	}
	e.unwritten = true // until it is on the disk, which may be full
	e.login = t
	e.unsaved = before.pair.refresh
	e.refreshed = time.Now()
	e.refreshes++
	return subject
}

// settledReading waits for a neighbour that is about to write.
func (e *errand) settledReading() reading {
	until := time.Now().Add(emptyGrace)
	for {
		r := e.file.read()
		if r.state != fileEmpty || time.Now().After(until) || e.ctx.Err() != nil {
			return r
		}
		time.Sleep(lockPoll)
	}
}
