package daemon

import (
	"cmp"
	"errors"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// store adopts a refresh token as the login (§4). A refresh proves it first,
// so what lands in the file is already its successor. A client that leaves
// ends nothing of this: the token may already be spent.
func (l *Login) store(payload protocol.Login) error {
	switch {
	case !l.cfg.Servers.Match(payload.ServerURL):
		return protocol.Errorf(protocol.CodeDenied, "falcred stores logins of fal only")
	case payload.Username != protocol.TokenUsername:
		return protocol.Errorf(protocol.CodeBadRequest,
			"falcred stores refresh tokens (Username %s), not keys or passwords: set FAL_KEY for a key", protocol.TokenUsername)
	case payload.Secret == "" || payload.Secret == env.Placeholder || !visible(string(payload.Secret)) || len(payload.Secret) > maxTokenFile/2:
		return protocol.Errorf(protocol.CodeBadRequest, "the Secret is not a refresh token")
	}
	leave, err := l.queue()
	if err != nil {
		return err
	}
	defer leave()
	if _, err := l.issuer.discover(l.ending.side); err != nil {
		return protocol.Errorf(protocol.CodeUnavailable, "not stored: %v", err)
	}
	o, err := l.prove(string(payload.Secret))
	if err != nil || o == nil {
		return asWire(err)
	}
	// The keys are fetched outside the lock (R10). Until o is installed or
	// refused, its place is ours and its answer is on the disk.
	subject, seen, err := l.accept(o)
	if err != nil {
		o.place.discard()
		if err != errInDoubt {
			l.disown(o.reply.pair.refresh)
		}
		return err
	}
	if err := l.install(o, subject, seen); err != nil {
		// Not revoked: it may be the same person's as the login that is kept,
		// and issuers can be set to end both with one.
		o.place.discard()
		return asWire(err)
	}
	return nil
}

// offer is a login that a client brought, proved by a refresh.
type offer struct {
	refresh string  // as it came: spent by now
	before  reading // the file when the offer was proved
	place   *place
	reply   reply
}

// prove spends an offered refresh token, with its answer safe on the disk. It
// returns nil where the token is the login already.
func (l *Login) prove(refresh string) (*offer, error) {
	e, err := l.begin()
	if err != nil {
		return nil, err
	}
	defer e.end()
	switch used, err := e.recorded(refresh); {
	case err != nil:
		what, mend := parts(err)
		return nil, protocol.Errorf(protocol.CodeInternal, "whether this refresh token was used up before cannot be told: %s\n%s", what, cmp.Or(mend, mendDisk))
	case used:
		return nil, protocol.Errorf(protocol.CodeBadRequest, "this refresh token is already spent")
	}
	before := e.file.read()
	switch {
	case before.state == fileUnusable:
		return nil, protocol.Errorf(protocol.CodeInternal, "%s\n%s", before.err, before.mend())
	case before.state == fileHolds && before.pair.refresh == refresh:
		return nil, nil
	}
	p, err := openPlace(e.target, refresh)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeInternal, "the token was not tried, since its answer could not be kept: %v\n%s", err, mendDisk)
	}
	if err := e.unchanged(before); err != nil {
		p.discard()
		return nil, err
	}
	e.recordIssuer()
	r := e.send(p, refresh)
	if r.outcome != granted {
		p.discard() // it is not our login: nothing of it is replayed later
		return nil, refusal(r)
	}
	recorded := p.record(r.pair)
	e.mu.Lock()
	if r.pair.refresh != refresh {
		e.memory.spend(refresh) // it is not sent again, whatever becomes of the offer
	}
	e.saveMemoryLocked()
	e.mu.Unlock()
	if err := recorded; err != nil {
		p.discard()
		e.work.Go(func() { e.disown(r.pair.refresh) })
		return nil, protocol.Errorf(protocol.CodeInternal, "the new login could not be written: %v\n%s", err, mendDisk)
	}
	return &offer{refresh: refresh, before: before, place: p, reply: r}, nil
}

// errInDoubt refuses a login whose account, or that of the one it would replace,
// no key verifies now (R10). Nothing is revoked: it may well be the same account's.
var errInDoubt = protocol.Errorf(protocol.CodeUnavailable,
	"not stored: whose login it is cannot be verified now, and it would replace a living one\ntry again later, with a new token, or log out first")

// accept judges whose login it is: store must not change the account of a
// living login (§4).
func (l *Login) accept(o *offer) (subject string, seen verdict, err error) {
	l.mu.Lock()
	subject = l.memory.subjectOf(o.refresh)
	l.mu.Unlock()
	if o.reply.idToken.raw != "" {
		seen = l.issuer.verify(l.ending.side, o.reply.idToken, subject)
	}
	switch {
	case seen.wrong != nil:
		return "", seen, protocol.Errorf(protocol.CodeDenied, "the new login is not accepted: %v\n%s", seen.wrong, loginHint)
	case seen.verified():
		subject = seen.subject()
	case seen.doubt == nil:
		subject = firstOf(subject, fromFile(o.reply.pair, time.Now()).subject)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.subjectLocked()
	unsure := seen.doubt != nil || l.inDoubtLocked() && l.memory.subjectOf(l.login.refresh) == ""
	switch living := l.login.refresh != "" && !l.stuck; {
	case living && unsure:
		return "", seen, errInDoubt
	case living && known != "" && subject != known:
		return "", seen, protocol.Errorf(protocol.CodeDenied, "another account is logged in here; log out first")
	}
	return subject, seen, nil
}

// install makes an accepted offer the login, unless another one landed in the
// file since it was proved (F5).
func (l *Login) install(o *offer, subject string, seen verdict) error {
	e, err := l.beginBefore(l.ending.last) // the offered token is spent: its successor must not be lost
	if err != nil {
		return err
	}
	defer e.end()
	if err := o.place.finish(o.reply.pair); err != nil {
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be written: %v\n%s", err, mendDisk)
	}
	if err := e.unchanged(o.before); errors.Is(err, errChanged) {
		return protocol.Errorf(protocol.CodeDenied, "another login landed in the token file meanwhile; it was kept\nto replace it, log out first")
	} else if err != nil {
		return err
	}
	e.mu.Lock()
	e.memory.step(o.refresh, o.reply.pair)
	e.memory.belongs(o.reply.pair.refresh, subject)
	e.saveMemoryLocked()
	e.mu.Unlock()
	if err := o.place.commit(e.file, e.target, o.reply.pair); err != nil {
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be put in place: %v\n%s", err, mendDisk)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	e.adoptLocked(o.reply.pair, now)
	e.happenedLocked(EventLoggedIn, "store")
	e.login, _ = fromReply(o.reply.pair, o.reply.lifetime, now)
	e.shown, e.fallback, e.refreshed = e.login, fallback{refresh: e.login.refresh}, now
	if seen.doubt != nil {
		e.doubtLocked(seen, subject, false)(&e.memory)
		e.saveMemoryLocked()
	}
	e.publishLocked()
	return nil
}

// erase logs out (§4), from fal's own hosts only.
func (l *Login) erase(q protocol.Query) (protocol.EraseAnswer, error) {
	if !l.cfg.Servers.IsFal(q.ServerURL) {
		return protocol.EraseAnswer{}, protocol.ErrNotFound
	}
	leave, err := l.queue()
	if err != nil {
		return protocol.EraseAnswer{}, err
	}
	defer leave()
	return l.signOut(q.Local)
}

// queue lets one store or erase in at a time, and turns the others away: each can
// hold the lock for many seconds, and a refresh must not wait behind a row of
// them.
func (l *Login) queue() (leave func(), err error) {
	if l.ending.over() {
		return nil, protocol.Errorf(protocol.CodeUnavailable, "falcred is ending\ntry again in a moment")
	}
	select {
	case l.guests <- struct{}{}:
		return func() { <-l.guests }, nil
	default:
		return nil, protocol.Errorf(protocol.CodeUnavailable, "another store or erase is under way\ntry again in a moment")
	}
}

// refusal turns a token request that granted nothing into store's answer.
func refusal(r reply) error {
	switch r.outcome {
	case rejected, refused:
		return protocol.Errorf(protocol.CodeDenied, "not stored: %v\n%s", r.err, loginHint)
	default:
		return protocol.Errorf(protocol.CodeUnavailable, "not stored: %v\ntry again later", r.err)
	}
}

// asWire keeps the code and the mend of a setback.
func asWire(err error) error {
	s := &setback{}
	if errors.As(err, &s) {
		return s.asError()
	}
	return err
}
