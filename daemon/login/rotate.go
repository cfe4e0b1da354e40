package login

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/internal/threads"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// freeMemory gives memory back to the system. (It is a variable for tests alone, in which years pass.)
var freeMemory = debug.FreeOSMemory

// refresh runs one rotation to its end, judges what it brought, and has it served.
// Nobody's leaving stops it (R1), so it has no caller's context.
func refresh(m *Manager, forced string) {
	got, err := m.rotate(forced)
	if got.revoke != "" {
		disown(m, got.client, got.revoke)
	}
	var e Event
	switch f := (&failure{}); {
	case errors.As(err, &f):
		failed := Failed{failure: *f}
		if f.after == 0 {
			failed.Pause = m.pause.next()
		}
		e = failed
	case err != nil:
		e = Failed{failure: *unavailable(err.Error(), ""), Pause: m.pause.next()}
	case got.reply == nil:
		e = Rotated{}
	default: // the keys are fetched outside of the lock, and after saving (R10)
		if m.Snapshot().State.Tokens.Fresh(clock.Now()) {
			m.pause.reset() // a token that lasts: what could not be written is tried again soon (R5)
		}
		e = Rotated{
			Tokens: got.reply.Tokens, Verdict: judge(m, got), Subject: got.subject,
			Keys: m.issuer.KeysAt(), Forced: forced, Pause: m.pause.next(),
		}
	}
	finish(m, &m.rotation, e) // what happened to the file meanwhile, the schedule reads
	if got.reply != nil && task.Simulated() == nil {
		freeMemory() // what the rotation needed; the next one is half of a token's life away
	}
}

// judge says what a rotation's ID token is worth: the one that it brought, or else the
// one that has been in doubt since an earlier rotation.
func judge(m *Manager, got outcome) issuer.Verdict {
	brought := got.reply.IDToken
	if d := m.Snapshot().State.Doubt; brought.IsZero() && d != nil {
		brought = d.Token
	}
	if brought.IsZero() {
		return issuer.Verdict{}
	}
	return m.issuer.As(got.client).Verify(m.ending.side, brought, got.subject)
}

// disown ends a login that arrived and is not kept: after its logout (F5), or in a store
// that was refused. Not under the lock: the issuer may be slow.
func disown(m *Manager, client, refresh string) {
	if err := m.issuer.As(client).Revoke(m.ending.side, refresh); err != nil {
		m.Warn("a token that was received but not kept could not be revoked: " + err.Error())
	}
}

// outcome is what a rotation brings home.
type outcome struct {
	reply   *issuer.Reply // what is held now; nil where nothing was sent
	subject string        // whose account the chain was so far, "" for a new one
	client  string        // as which it was asked for
	revoke  string        // came in after a logout (F5)
}

// rotate uses up the refresh token in the file and puts its successor there, if that is
// what the file asks for (R3). A kill after any line is settled at the next start:
//
//	after    on disk                                         the next start
//	Begin    an entry of zeros, named after the token        replays (R4)
//	Record   the entry with the answer, sealed               puts it in place
//	Commit   the token file                                  has nothing to do
//
// forced names an access token that is to be replaced, however fresh it is.
func (m *Manager) rotate(forced string) (got outcome, err error) {
	// Discovery, and the lookup of a name, may take their time: not while others wait for
	// the lock. What sends nothing, a file that wants restoring, goes on without them.
	offline := m.issuer.Ready(m.ending.side)
	t, err := beginInTurn(m)
	if err != nil {
		return outcome{}, err
	}
	defer t.end()
	defer func() { err = t.concerning(err) }()

	c, err := t.choose(forced)
	for c.refresh != "" && err == nil {
		entry, beginErr := t.beginEntry(c)
		if beginErr != nil {
			return outcome{}, t.keepFallback(c, beginErr)
		}
		c.client = clientOf(t.m, tokenfile.TokenPair{Refresh: c.refresh}, c.before.Pair)
		reply := t.send(entry, c, offline)
		switch reply.Outcome {
		case issuer.Granted:
			return t.keep(entry, c, &reply), nil
		case issuer.Rejected:
			entry.Discard()
			c, err = t.refused(c.before, c.refresh, forced)
		default:
			return outcome{}, t.keepFallback(c, t.unanswered(entry, reply))
		}
	}
	return outcome{}, err
}

// concerning says whose failure it is: a login that was adopted since is not concerned.
func (t *transaction) concerning(err error) error {
	f := &failure{}
	if !errors.As(err, &f) {
		return err
	}
	own := *f
	own.about = &t.about
	return &own
}

// beginEntry has what a rotation needs before anything is sent: threads (S6), and the
// journal entry (R4).
func (t *transaction) beginEntry(c candidate) (*journal.Entry, error) {
	if err := threads.Ready(); err != nil {
		text, hint, _ := strings.Cut(err.Error(), "\n")
		return nil, unavailable("not refreshed: "+text, hint)
	}
	if !journal.Exists(t.target, c.refresh) { // a replay has no time to lose
		if err := t.m.file.Replaceable(t.target); err != nil {
			return nil, entryFailure(err)
		}
	}
	entry, err := journal.Begin(t.target, c.refresh)
	if err != nil {
		return nil, entryFailure(err)
	}
	t.recordIssuer()
	if err := t.unchanged(c.before); err != nil { // the last thing before the request
		entry.Abandon()
		return nil, err
	}
	return entry, nil
}

// send is R7: one request, and one replay if its answer was lost. offline is why there is
// nobody to send it to.
func (t *transaction) send(entry *journal.Entry, c candidate, offline error) issuer.Reply {
	if offline != nil {
		return issuer.NotSent(offline)
	}
	as := t.m.issuer.As(c.client)
	reply := as.Refresh(t.ctx, c.refresh, issuer.AnswerTimeout)
	if reply.Outcome != issuer.Lost || reply.Said.RetryAfter > 0 {
		return reply
	}
	if c.refresh == c.before.Pair.Refresh {
		if now := t.m.file.Read(); now.State == tokenfile.Holds && now.Pair.Refresh != c.refresh {
			return reply // somebody without the lock was faster: what he wrote is looked at first (F5)
		}
	}
	t.m.actions.add(logged{slog.LevelWarn, "the answer to a refresh was lost; sending it once more", []any{"cause", reply.Err}})
	entry.MarkSent()
	ctx, cancel := clock.WithTimeout(t.ctx, issuer.ReplayTimeout)
	defer cancel()
	return as.Refresh(ctx, c.refresh, issuer.ReplayTimeout)
}

// unanswered is what becomes of an entry, and of the rotation, without a grant.
func (t *transaction) unanswered(entry *journal.Entry, reply issuer.Reply) error {
	text, hint, _ := strings.Cut(fmt.Sprint(reply.Err), "\n") // discovery has a hint of its own
	f := unavailable(text, retryHint)
	f.heard = reply.Outcome == issuer.Refused
	f.unheard = !f.heard
	if asked := reply.Said.RetryAfter; asked > 0 {
		f.after = max(asked, t.m.pause.next())
	}
	switch reply.Outcome {
	case issuer.Lost, issuer.Broken, issuer.Unsent:
		f.Hint = httpx.PassesHint
	case issuer.Refused:
		f.after, f.Hint = max(hourly, f.after), "if it lasts, "+LoginHint
	}
	f.Hint = cmp.Or(hint, reply.Said.Hint(), f.Hint)
	if reply.Outcome == issuer.Lost || reply.Outcome == issuer.Broken {
		entry.Keep() // the next try is a replay
	} else {
		entry.Abandon()
	}
	return f
}

// keep brings an answer to the disk (R5) and into the file, if that still holds what was
// read before sending (F5). Nothing comes between the issuer's answer and its record.
func (t *transaction) keep(entry *journal.Entry, c candidate, reply *issuer.Reply) outcome {
	m := t.m
	got := outcome{reply: reply, client: c.client, subject: m.Snapshot().State.Ledger.SubjectOf(c.refresh)}
	wrong := m.issuer.As(c.client).Contradicts(reply.IDToken, got.subject) != nil
	if wrong { // not served (R10), by a start after a kill neither: that has no ID token to judge it by
		reply.Tokens.Access = ""
	}
	recordErr := entry.Record(reply.Tokens)
	s := m.apply(Granted{
		From: c.refresh, Reply: *reply, InFile: c.before.Pair.Refresh, Recorded: recordErr == nil,
		Wrong: wrong, Client: c.client,
	})
	if recordErr != nil {
		m.actions.add(logged{slog.LevelError, "the new token could not be written", []any{"cause", recordErr}})
		entry.Keep() // should we die now, the next start replays at once (R4)
		return got
	}
	saved := t.saveLedger()
	if err := t.lock.Confirm(t.ctx); err != nil {
		m.actions.add(logged{slog.LevelWarn, "another program took the lock during a refresh; the new token is kept if that program has not changed the file", []any{"cause", err}})
	}
	err := trim(entry, reply.Tokens, saved)
	r := t.readWhole()
	switch classify(r, s) { // to what was held then: others may have been adopted since
	case Unchanged, Behind, Torn, Consumed, Empty: // ours: what was there before, late writes of consumed tokens, a writer that died
	case Gone:
		switch {
		case c.before.State == tokenfile.Absent && s.Phase == Missing && !s.Pinging: // F7: the issuer knows the login, so it goes back
		case !entry.InPlace():
			// The whole folder is away, and may come back with the answer in it (F3). If
			// it does not, nobody has what came.
			entry.Keep()
			return got
		default: // a logout while the rotation was under way
			m.apply(Ended{"the token file was deleted during a refresh"})
			m.apply(ConsumedHere{[]string{reply.Tokens.Refresh}}) // it is revoked
			drop(entry, saved)
			t.saveLedger()
			return outcome{client: c.client, revoke: reply.Tokens.Refresh}
		}
	case NewTokens, OtherIssuer: // another login: it counts, ours is kept as the fallback
		drop(entry, saved)
		if m.apply(Read{r}).Outdated {
			m.reconcile()
		}
		return outcome{}
	default:
		entry.Keep() // a thing that is no token file; the answer waits beside it
		return got
	}
	if err == nil {
		err = entry.Commit(m.file, t.target, reply.Tokens)
	}
	if err != nil {
		m.actions.add(logged{slog.LevelError, "the new token could not be moved into the token file", []any{"cause", err}})
		entry.Keep()
		return got
	}
	m.apply(Committed{})
	return got
}

// drop ends the entry of an answer that does not go into the file. Where the ledger could not be
// saved, the entry alone knows that its token was used up, and stays until somebody can write that down.
func drop(entry *journal.Entry, saved error) {
	if saved != nil {
		entry.Keep()
		return
	}
	entry.Discard()
}

// readWhole is a reading that waits for a neighbour who is between its truncate and its
// write.
func (t *transaction) readWhole() Reading {
	until := clock.Now().Add(writerDied)
	for {
		r := t.m.read()
		if r.State != tokenfile.Empty || clock.Now().After(until) || t.ctx.Err() != nil {
			return r
		}
		clock.Sleep(tokenfile.LockPoll)
	}
}
