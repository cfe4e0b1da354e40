package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/falcred/falcred/protocol"
)

// store adopts a refresh token as the login (§4). A refresh proves it first,
// so what lands in the file is already its successor.
func (l *Login) store(ctx context.Context, payload protocol.Login) error {
	switch {
	case !l.cfg.Servers.Match(payload.ServerURL):
		return protocol.Errorf(protocol.CodeDenied, "falcred stores logins of fal only")
	case payload.Username != protocol.TokenUsername:
		return protocol.Errorf(protocol.CodeBadRequest,
			"falcred stores refresh tokens (Username %s), not keys or passwords: set FAL_KEY for a key", protocol.TokenUsername)
	case payload.Secret == "" || !visible(payload.Secret) || len(payload.Secret) > maxTokenFile/2:
		return protocol.Errorf(protocol.CodeBadRequest, "the Secret is not a refresh token")
	}
	done := make(chan error, 1)
	l.work.Go(func() { done <- l.storeNow(context.Background(), payload.Secret) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it goes on: the token may already be spent
	}
}

func (l *Login) storeNow(ctx context.Context, refresh string) error {
	l.act.Lock()
	defer l.act.Unlock()
	l.mu.Lock()
	spent := l.memory.spent(refresh)
	l.mu.Unlock()
	if spent {
		return protocol.Errorf(protocol.CodeBadRequest, "this refresh token is already spent")
	}
	h, err := l.lock(ctx)
	if err != nil {
		return asWire(err)
	}
	defer h.release()
	ctx, cancel := context.WithTimeout(ctx, holdMax)
	defer cancel()
	e, err := l.newErrand(ctx, h)
	if err != nil {
		return asWire(err)
	}
	return e.adoptStored(refresh)
}

// adoptStored proves a refresh token and writes its successor.
func (e *errand) adoptStored(refresh string) error {
	before := e.file.read()
	if before.state == fileUnusable {
		return protocol.Errorf(protocol.CodeInternal, "%s", before.err)
	}
	if before.state == fileHolds && before.pair.refresh == refresh {
		return nil // it is the login already
	}
	p, err := openPlace(e.target, refresh)
	if err != nil {
		return protocol.Errorf(protocol.CodeInternal, "the token was not tried, since its answer could not be kept: %v", err)
	}
	r := e.send(p, refresh)
	if r.outcome != granted {
		p.discard() // it is not our login: nothing of it is replayed later
		return refusal(r)
	}
	if err := e.sameAccount(r, before); err != nil {
		p.discard()
		if revokeErr := e.issuer.revoke(context.Background(), r.pair.refresh); revokeErr != nil {
			e.warn("a refused login could not be revoked: " + revokeErr.Error())
		}
		return err
	}
	if err := p.record(r.pair); err != nil {
		p.discard()
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be written: %v", err)
	}
	if err := e.hold.confirm(e.ctx); err != nil {
		e.log.Warn("the lock was lost during a store", "cause", err)
	}
	if err := p.commit(e.target, r.pair); err != nil {
		p.discard()
		return protocol.Errorf(protocol.CodeInternal, "the new login could not be put in place: %v", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.pair.refresh != refresh {
		e.memory.spend(refresh)
	}
	e.memory.Tip, e.memory.Subject = fingerprint(r.pair.refresh), ""
	e.saveMemoryLocked()
	e.adoptLocked(r.pair, time.Now())
	e.login, _ = fromReply(r.pair, r.lifetime, time.Now())
	e.shown, e.spare = e.login, e.login.refresh
	e.publishLocked()
	return nil
}

// sameAccount: store must not change the account of a living login (§4), and
// not undo a login that landed while the proof was under way (F5).
func (e *errand) sameAccount(r reply, before reading) error {
	if !sameReading(e.file.read(), before) {
		return protocol.Errorf(protocol.CodeDenied, "another login landed in the token file meanwhile; it was kept")
	}
	var seen verdict
	if r.idToken != "" {
		if seen = e.issuer.verify(e.ctx, r.idToken); seen.wrong != nil {
			return protocol.Errorf(protocol.CodeDenied, "the new login is not accepted: %v", seen.wrong)
		}
	}
	subject := firstOf(seen.subject, fromFile(r.pair, time.Now()).subject)
	e.mu.Lock()
	defer e.mu.Unlock()
	living := e.login.refresh != "" && e.stuck == ""
	known := firstOf(e.memory.Subject, e.login.subject)
	if living && known != "" && subject != known {
		return protocol.Errorf(protocol.CodeDenied, "another account is logged in here; log out first")
	}
	return nil
}

// erase logs out: revoke, then delete (§4).
func (l *Login) erase(ctx context.Context, server string) error {
	if !l.cfg.Servers.IsFal(server) {
		return protocol.ErrNotFound
	}
	done := make(chan error, 1)
	l.work.Go(func() { done <- l.eraseNow(context.Background()) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Login) eraseNow(ctx context.Context) error {
	l.act.Lock()
	defer l.act.Unlock()
	h, err := l.lock(ctx)
	if err != nil {
		return asWire(err)
	}
	defer h.release()
	r := l.file.read()
	l.mu.Lock()
	refresh := l.login.refresh
	l.mu.Unlock()
	if r.state == fileHolds {
		refresh = r.pair.refresh
	}
	if refresh == "" {
		return protocol.ErrNotFound
	}
	if err := l.issuer.revoke(ctx, refresh); err != nil {
		return protocol.Errorf(protocol.CodeUnavailable, "still logged in: %v", err)
	}
	if !sameReading(l.file.read(), r) { // F5: a new login is not what was to be erased
		return protocol.Errorf(protocol.CodeDenied, "the login was revoked, but another one landed in the token file meanwhile; it was kept")
	}
	target, err := l.file.target()
	if err == nil && r.state != fileAbsent {
		err = os.Remove(target) // behind a symlink, which stays (F2)
	}
	if err != nil {
		return protocol.Errorf(protocol.CodeInternal, "revoked, but the token file cannot be deleted: %v", err)
	}
	clearPlace(placePath(target, refresh))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked("erase")
	return nil
}

// refusal turns a token request that granted nothing into store's answer.
func refusal(r reply) error {
	switch r.outcome {
	case rejected, refused:
		return protocol.Errorf(protocol.CodeDenied, "not stored: %v", r.err)
	default:
		return protocol.Errorf(protocol.CodeUnavailable, "not stored: %v", r.err)
	}
}

// asWire keeps the code of a setback.
func asWire(err error) error {
	s := &setback{}
	if errors.As(err, &s) {
		return s.asError()
	}
	return protocol.Errorf(protocol.CodeInternal, "%s", fmt.Sprint(err))
}
