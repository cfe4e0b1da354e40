package login

import (
	"cmp"
	"errors"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/threads"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// Store adopts a refresh token that a client brings as the login. A rotation proves it
// first, so what the file gets is already its successor. A client that leaves ends
// nothing of this: the token may already be consumed. It waits for its turn, up to 30 s:
// those that are refused are paced, all clients' together.
func (m *Manager) Store(payload protocol.Login, by Client) error {
	switch {
	case !m.cfg.Servers.Match(payload.ServerURL):
		return protocol.Errorf(protocol.CodeDenied, "not stored: the server is not one of fal's")
	case payload.Username != protocol.TokenUsername:
		return protocol.Errorf(protocol.CodeBadRequest,
			"falcred stores refresh tokens (Username %s), not keys or passwords\nfor a key, set FAL_KEY", protocol.TokenUsername)
	case payload.Secret == "" || payload.Secret == env.Placeholder || !tokenfile.Printable(string(payload.Secret)) || len(payload.Secret) > tokenfile.MaxSize/2:
		return protocol.Errorf(protocol.CodeBadRequest, "the Secret is not a refresh token")
	}
	if m.ending.over() {
		return errEndsNow
	}
	refresh := string(payload.Secret)
	if done, err := hasAlready(m, refresh, m.file.Read()); done || err != nil { // which needs neither the lock nor a turn
		return err
	}
	one := &waiter{pace: &m.queue.stores, by: by}
	if err := m.queue.enter(m.ending, one); err != nil {
		return err
	}
	before := m.queue.warning()
	err := m.store(refresh)
	m.queue.leave(one, err != nil)
	if err != nil && before == "" && m.queue.warning() != "" {
		m.log.Warn("a login that a program sent (store) was refused, like others before it", "pid", by.PID, "code", protocol.AsError(err).Code)
	}
	return err
}

func (m *Manager) store(refresh string) error {
	if err := m.issuer.Ready(m.ending.side); err != nil {
		return notStored(issuer.NotSent(err))
	}
	o, err := prove(m, refresh)
	if err != nil || o == nil {
		return asWire(err)
	}
	// The keys are fetched outside of the lock (R10). Until the offer is installed or
	// refused, its entry is ours and its answer is on the disk.
	if err := o.judge(m); err != nil {
		o.entry.Discard()
		if protocol.AsError(err).Code != protocol.CodeUnavailable { // else it may be the right one
			disown(m, o.client, o.reply.Tokens.Refresh)
		}
		return err
	}
	if err := o.install(m); err != nil {
		// Not revoked: it may be the same person's as the login that is kept, and issuers
		// can be set to end both with one.
		o.entry.Discard()
		return asWire(err)
	}
	return nil
}

// hasAlready says whether a refresh token that is offered is the login's, which the file
// holds. It refuses one that was used up, and any where the file is none.
func hasAlready(m *Manager, refresh string, file tokenfile.Content) (bool, error) {
	switch used, err := used(m.Snapshot().State.Ledger, m.cfg.Home, refresh); {
	case err != nil:
		text, hint := fsx.Explain(err)
		return false, protocol.Errorf(protocol.CodeInternal, "cannot tell whether this refresh token has been used up: %s\n%s", text, cmp.Or(hint, fsx.DiskHint))
	case used:
		return false, protocol.Errorf(protocol.CodeBadRequest, "this refresh token has been used up already\nget a new one: falcred login")
	case file.State == tokenfile.Unusable:
		return false, protocol.Errorf(protocol.CodeInternal, "%s\n%s", file.Err, file.Hint())
	}
	return file.State == tokenfile.Holds && file.Pair.Refresh == refresh, nil
}

// offer is a login that a client brought, proved by a rotation.
type offer struct {
	refresh string            // as it came: consumed by now
	before  tokenfile.Content // the file when the offer was proved
	entry   *journal.Entry
	client  string // as which it was proved
	reply   issuer.Reply
	subject string // whose it is, "" where nothing says
	verdict issuer.Verdict
}

// prove uses an offered refresh token up, with its answer safe on the disk. It returns nil
// where the token is the login already.
func prove(m *Manager, refresh string) (*offer, error) {
	t, err := begin(m.ending.side, m, aClients)
	if err != nil {
		return nil, err
	}
	defer t.end()
	before := m.file.Read()
	if done, err := hasAlready(m, refresh, before); done || err != nil { // by now
		return nil, err
	}
	if err := threads.Ready(); err != nil { // S6
		return nil, protocol.Errorf(protocol.CodeUnavailable, "not stored: %v", err)
	}
	if err := m.file.Replaceable(t.target); err != nil {
		return nil, protocol.Errorf(protocol.CodeInternal, "not stored, and not sent to the issuer: %v", err)
	}
	entry, err := journal.Begin(t.target, refresh)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeInternal, "not stored, and not sent to the issuer, since its answer could not be kept: %v\n%s", err, fsx.Hint(err))
	}
	t.recordIssuer()
	if err := t.unchanged(before); err != nil {
		entry.Discard()
		return nil, err
	}
	client := clientOf(m, tokenfile.TokenPair{Refresh: refresh})
	reply := t.send(entry, candidate{refresh: refresh, before: before, client: client}, nil)
	if reply.Outcome != issuer.Granted {
		entry.Discard() // it is not our login: nothing of it is replayed later
		return nil, notStored(reply)
	}
	if m.issuer.As(client).Contradicts(reply.IDToken, m.Snapshot().State.Ledger.SubjectOf(refresh)) != nil {
		reply.Tokens.Access = "" // not served (R10), by whoever finds the entry neither
	}
	recordErr := entry.Record(reply.Tokens)
	if reply.Tokens.Refresh != refresh {
		m.apply(ConsumedHere{[]string{refresh}}) // it is not sent again, whatever becomes of the offer
	}
	t.saveLedger()
	if recordErr != nil {
		entry.Discard()
		m.work.Go(func() { disown(m, client, reply.Tokens.Refresh) })
		return nil, protocol.Errorf(protocol.CodeInternal, "the new login could not be written: %v\n%s", recordErr, fsx.Hint(recordErr))
	}
	return &offer{refresh: refresh, before: before, entry: entry, client: client, reply: reply}, nil
}

// notStored turns a token request that granted nothing into store's answer.
func notStored(r issuer.Reply) error {
	text, hint := fsx.Explain(r.Err) // discovery has a hint of its own
	hint = cmp.Or(hint, r.Said.Hint())
	switch r.Outcome {
	case issuer.Rejected, issuer.Refused:
		return protocol.Errorf(protocol.CodeDenied, "not stored: %s\n%s", text, cmp.Or(hint, LoginHint))
	default:
		return protocol.Errorf(protocol.CodeUnavailable, "not stored: %s\n%s", text, cmp.Or(hint, "try again later"))
	}
}

// errInDoubt refuses a login whose account, or that of the one it would replace, no key
// verifies now (R10), and errErasedInDoubt one that would follow an erased one. Nothing is
// revoked: it may well be the same account's.
var (
	errInDoubt = protocol.Errorf(protocol.CodeUnavailable,
		"not stored: whose login this is cannot be verified now, and it would replace the current one\ntry again later with a new token, or log out first: falcred logout")
	errErasedInDoubt = protocol.Errorf(protocol.CodeUnavailable,
		"not stored: whose login this is cannot be verified now, and the one before it was logged out over the socket\nlog in here: falcred login")
)

// judge finds out whose login it is: store must not change the account of a valid one, nor
// of one that was ended over the wire (§4): else two requests would do what one may not.
func (o *offer) judge(m *Manager) error {
	o.subject = m.Snapshot().State.Ledger.SubjectOf(o.refresh)
	if !o.reply.IDToken.IsZero() {
		o.verdict = m.issuer.As(o.client).Verify(m.ending.side, o.reply.IDToken, o.subject)
	}
	switch v := o.verdict; {
	case v.Wrong != nil:
		return protocol.Errorf(protocol.CodeDenied, "the new login is not accepted: %v\n%s", v.Wrong, LoginHint)
	case v.Verified():
		o.subject = v.Subject()
	case v.Doubt == nil:
		o.subject = cmp.Or(o.subject, tokenfile.Dated(o.reply.Tokens, clock.Now()).Subject)
	}
	s := &m.Snapshot().State
	inDoubt := o.verdict.Doubt != nil
	if living := s.held() && !s.over(); living {
		switch known := s.Subject(); {
		case inDoubt || s.inDoubt() && s.Ledger.SubjectOf(s.Tokens.Refresh) == "":
			return errInDoubt
		case known != "" && o.subject != known:
			return protocol.Errorf(protocol.CodeDenied, "not stored: another account is logged in here\nlog out first: falcred logout")
		}
		return nil
	}
	switch erased := s.Ledger.Erased.Subject; {
	case erased != "" && inDoubt:
		return errErasedInDoubt
	case erased != "" && o.subject != erased:
		return protocol.Errorf(protocol.CodeDenied, "not stored: the login before it was another account's, and was logged out over the socket\nlog in here: falcred login")
	}
	return nil
}

// install makes an accepted offer the login, unless another one was written to the file since
// it was proved (F5).
func (o *offer) install(m *Manager) error {
	t, err := begin(m.ending.last, m, aClients) // the offered token is consumed: its successor must not be lost
	if err != nil {
		return err
	}
	defer t.end()
	if err := o.entry.Trim(o.reply.Tokens); err != nil {
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be written: %v\n%s", err, fsx.Hint(err))
	}
	if err := t.unchanged(o.before); errors.Is(err, errChanged) {
		return protocol.Errorf(protocol.CodeDenied, "another program wrote a new login meanwhile, which was kept\nto replace it, log out first: falcred logout")
	} else if err != nil {
		return err
	}
	m.apply(Stepped{o.refresh, o.reply.Tokens, o.client, o.subject, true})
	t.saveLedger()
	if err := o.entry.Commit(m.file, t.target, o.reply.Tokens); err != nil {
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be put in place: %v\n%s", err, fsx.Hint(err))
	}
	m.apply(Stored{o.reply, o.verdict, o.subject, m.issuer.KeysAt()})
	return nil
}
