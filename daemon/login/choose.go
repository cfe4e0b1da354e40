package login

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// candidate is a refresh token that is to be used up.
type candidate struct {
	refresh  string            // "" where there is none
	before   tokenfile.Content // what the file held when it was chosen
	fallback Fallback          // what it was, if it is not the file's
	client   string            // as which it is used up
}

// choose reads the file again, does what it asks for without the issuer, and says which
// refresh token is to be used up.
func (t *transaction) choose(forced string) (c candidate, err error) {
	r := t.m.reconcile()
	s := t.m.Snapshot().State
	switch r.State {
	case tokenfile.Unusable:
		f := unavailable("not refreshed: the token file cannot be used: "+r.Err.Error(), r.Hint())
		f.file = true
		return c, f
	case tokenfile.Absent:
		// We may be the first to see it: the CLI deletes the file and then gives the lock away. And
		// while the issuer is asked whether it can be heard, that decides (F7).
		if !t.missing || s.Phase != Missing || s.Pinging {
			return c, nil
		}
		return t.decisive(r.Content, s.Tokens.Refresh)
	case tokenfile.Empty:
		return c, t.refill(r.Content, s)
	}
	meaning := classify(r, s)
	if meaning == OtherIssuer {
		return c, nil // not even what was begun is replayed (R13)
	}
	if s.held() && (meaning == Behind || meaning == Torn || meaning == Consumed) {
		if done, err := t.answerToHeld(r.Content, s); done {
			return c, err
		}
	}
	t.sweep(r.Pair)
	if meaning == Behind || meaning == Torn {
		return c, t.restoreAhead(r.Content, s)
	}
	if replay, done, err := t.resume(r.Content, r.Pair.Refresh); done {
		return candidate{refresh: replay, before: r.Content}, err
	}
	t.about = s.Tokens.Refresh
	switch now := clock.Now(); {
	case meaning == Consumed || r.Pair.Refresh == r.Held.Refresh && t.wasUsed(r.Pair.Refresh): // or it is what is held, which another falcred has ended or used up since
		return c, t.restoreOver(r.Content, s)
	case s.over() || s.Tokens.Fresh(now) && s.Tokens.Access != forced && !s.competes() && !s.fallbackPending():
		return c, nil // somebody else's is fresh: nothing is sent (R3)
	case s.fallbackPending() && s.Dead == r.Pair.Refresh: // its fallback is still to be tried
		return t.refused(r.Content, r.Pair.Refresh, forced)
	}
	return candidate{refresh: r.Pair.Refresh, before: r.Content}, nil
}

// decisive chooses the token by which the issuer decides whether a file that vanished was a
// logout (F7): the one held, or what another daemon of the home has received for it, which died
// before that was in the file. It does not go there before the issuer has answered.
func (t *transaction) decisive(before tokenfile.Content, held string) (candidate, error) {
	answer, whole := journal.Peek(journal.Path(t.target, held), t.m.Snapshot().State.Ledger)
	switch {
	case whole && !t.wasUsed(answer.Refresh):
		t.step(held, answer, before)
		return candidate{refresh: answer.Refresh, before: before}, nil
	case whole || t.wasUsed(held): // by another daemon of the home: what it received is not here, or used up as well
		return candidate{}, deleted("the token file was deleted, and the refresh token held has been used up by another falcred of this home")
	}
	return candidate{refresh: held, before: before}, nil
}

// refill restores a file whose writer died (F3).
func (t *transaction) refill(before tokenfile.Content, s State) error {
	if !s.held() || s.EmptySince.IsZero() || clock.Now().Sub(s.EmptySince) < writerDied {
		f := unavailable("the token file "+tokenfile.EmptyText, LoginHint)
		f.after, f.onChange = time.Second, true
		return f
	}
	if done, err := t.answerToHeld(before, s); done {
		return err
	}
	if t.wasUsed(s.Tokens.Refresh) {
		return unavailable("the token file "+tokenfile.EmptyText+", and another falcred of this home has the newer token", LoginHint)
	}
	return t.restore(before, s.Tokens.TokenPair, "it was left empty")
}

// answerToHeld puts what another falcred of the home has received for the token held in the
// place of a file that lost its login: it may have died before it could.
func (t *transaction) answerToHeld(before tokenfile.Content, s State) (done bool, err error) {
	replay, done, err := t.resume(before, s.Tokens.Refresh)
	return done && replay == "", err
}

// restoreAhead writes our own newer tokens, which could not be written before.
func (t *transaction) restoreAhead(before tokenfile.Content, s State) error {
	if t.wasUsed(s.Tokens.Refresh) {
		return unavailable("the token file holds an older token, and another falcred of this home has the newer one", LoginHint)
	}
	err := t.restore(before, s.Tokens.TokenPair, "the new token could not be written before")
	if err == nil && before.Pair.Refresh != s.Tokens.Refresh {
		journal.Clear(journal.Path(t.target, before.Pair.Refresh), s.Ledger)
	}
	return err
}

// restoreOver meets a token in the file that must not be sent: a neighbour's late write,
// or an old copy (F5). The valid one goes back, before an unmodified SDK uses that.
func (t *transaction) restoreOver(before tokenfile.Content, s State) error {
	if s.held() && !t.wasUsed(s.Tokens.Refresh) {
		return t.restore(before, s.Tokens.TokenPair, "it held an old copy of the login, whose refresh token has been used up")
	}
	return loginEnded("the refresh token in the token file has been used up already: is it an old copy?")
}

// restore writes what is held over a file that lost it, if the file is still as it was
// when that was decided (F5).
func (t *transaction) restore(before tokenfile.Content, held tokenfile.TokenPair, why string) error {
	if err := t.m.file.Replace(t.target, held, func() error { return t.unchanged(before) }); err != nil {
		if f := (&failure{}); errors.As(err, &f) {
			return f
		}
		return unavailable("the token file cannot be restored: "+err.Error(), fsx.Hint(err))
	}
	if s := t.m.apply(Restored{why}); s.unwritten() {
		t.saveLedger()
	}
	return nil
}

// resume settles what an earlier rotation of the file's token, or of the one held where the file
// is empty, has left: an answer on disk, which is put in place, or none, after which the
// token is to be replayed (R4).
func (t *transaction) resume(before tokenfile.Content, refresh string) (replay string, done bool, err error) {
	if !journal.Exists(t.target, refresh) {
		return "", false, nil
	}
	entry, err := journal.Begin(t.target, refresh)
	if err != nil {
		return "", true, entryFailure(err)
	}
	answer, whole := entry.Answer(t.m.Snapshot().State.Ledger)
	switch {
	case whole && t.wasUsed(answer.Refresh), !whole && t.wasUsed(refresh):
		entry.Discard() // settled long ago, and put back from a backup
		return "", false, nil
	case !whole:
		entry.Keep()
		return refresh, true, nil
	}
	t.step(refresh, answer, before)
	if err := trim(entry, answer, t.saveLedger()); err != nil {
		entry.Keep()
		return "", true, entryFailure(err)
	}
	if err := t.unchanged(before); err != nil {
		entry.Keep()
		return "", true, err
	}
	if err := entry.Commit(t.m.file, t.target, answer); err != nil {
		entry.Keep()
		return "", true, unavailable("the new token cannot be moved into the token file: "+err.Error(), fsx.Hint(err))
	}
	t.m.apply(Settled{answer})
	return "", true, nil
}

// step notes an answer that an earlier process has left. Its client is the one that asked for it,
// where neither the ledger nor the answer says.
func (t *transaction) step(from string, answer tokenfile.TokenPair, before tokenfile.Content) {
	client := cmp.Or(t.m.Snapshot().State.Ledger.ClientOf(answer), clientOf(t.m, tokenfile.TokenPair{Refresh: from}, before.Pair))
	t.m.apply(Stepped{From: from, To: answer, Client: client})
}

// sweep removes entries of rotations that no longer matter, and keeps what came in them
// as the fallback, if it is of the same account (F5).
func (t *transaction) sweep(inFile tokenfile.TokenPair) {
	now, others := clock.Now(), journal.Others(t.target, inFile.Refresh)
	if len(t.noteConsumed(others)) > 0 && t.saveLedger() != nil {
		others = nil // until that can be written, they alone know what was used up
	}
	for _, path := range others {
		answer, whole := journal.Clear(path, t.m.Snapshot().State.Ledger)
		if !whole {
			continue
		}
		subject := tokenfile.Dated(answer, now).Subject
		if subject != tokenfile.Dated(inFile, now).Subject || t.wasUsed(answer.Refresh) {
			continue
		}
		t.m.apply(FallbackFound{Fallback{answer.Refresh, subject}})
	}
	for _, path := range abandoned(t.target, t.m.cfg.Home) {
		disk.Remove(path)
	}
}

// noteConsumed notes which tokens the answers in journal entries came for: those entries alone
// know that they were used up. It is to be saved before the entries go.
func (t *transaction) noteConsumed(entries []string) (answers []tokenfile.TokenPair) {
	for _, path := range entries {
		if answer, whole := journal.Peek(path, t.m.Snapshot().State.Ledger); whole {
			answers = append(answers, answer)
			t.m.apply(Noted{Note{Consumed: journal.PrintOf(path)}})
		}
	}
	return answers
}

// refused is what becomes of a login whose refresh token is rejected (R8): the file is read
// again, and what somebody else has written there counts; else the fallback is tried.
func (t *transaction) refused(before tokenfile.Content, refresh, forced string) (candidate, error) {
	t.m.apply(Refused{refresh})
	r := t.m.read()
	if r.State == tokenfile.Holds && r.Pair.Refresh != refresh && r.Pair.Refresh != before.Pair.Refresh {
		switch {
		case classify(r, t.m.Snapshot().State) == Consumed:
		case t.early(): // its maker goes on with it, and the next rotation when he has had his time
			t.m.reconcile()
			return candidate{}, nil
		default:
			return t.choose(forced) // somebody was faster
		}
	}
	if r.State == tokenfile.Absent { // the issuer has answered: it was a logout (F7), and no fallback undoes it
		return candidate{}, deleted("the token file was deleted, and the issuer no longer knows the login")
	}
	if newest := t.takeFallback(refresh); newest.Refresh != "" {
		t.m.actions.add(logged{slog.LevelWarn, "the issuer rejects the token in the file; trying the newest one received before it", nil})
		return candidate{refresh: newest.Refresh, before: r.Content, fallback: newest}, nil
	}
	return candidate{}, loginEnded("the login has ended: it was revoked, or used by another program (invalid_grant)")
}

// takeFallback hands out F5's newest unused token, once, and only where it is known to be
// the same account's: a login of one person that has ended must not become another's. A login that
// a person has just made names nobody yet, and is not replaced.
func (t *transaction) takeFallback(failed string) Fallback {
	s := t.m.Snapshot().State
	t.m.apply(FallbackTaken{s.Fallback.Refresh})
	newest := s.Fallback
	if subject := s.Ledger.SubjectOf(newest.Refresh); subject != "" {
		newest.Subject = subject
	}
	if newest.Refresh == failed || s.Tokens.Subject == "" || newest.Subject != s.Tokens.Subject {
		return Fallback{}
	}
	if used, err := t.used(newest.Refresh); used || err != nil {
		return Fallback{}
	}
	return newest
}

// keepFallback gives a fallback back that was not refused.
func (t *transaction) keepFallback(c candidate, err error) error {
	if c.fallback.Refresh != "" {
		t.m.apply(FallbackKept{c.fallback})
	}
	return err
}
