package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/threads"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// Keepable finds out before anybody confirms anything whether a login could be kept: the
// home, its issuer, the lock, the disk, the threads that it takes.
func Keepable(ctx context.Context, cfg Config) error {
	if err := threads.Reserve(); err != nil { // S6
		return err
	}
	return locked(ctx, cfg, func(t *transaction, now tokenfile.Content) error {
		if err := cfg.CheckToken(now.Pair.Access); err != nil {
			return err // the login would be lost to its issuer, and still be good there
		}
		probe, err := fsx.WriteTemp(t.target, make([]byte, tokenfile.MaxSize))
		if err != nil {
			return fmt.Errorf("a login cannot be written beside %s: %w\n%s", t.m.file.Path, fsx.Cause(err), fsx.Hint(err))
		}
		return disk.Remove(probe)
	})
}

// Keep writes a login that the issuer has granted into the token file, under the lock. A
// daemon notices it there. The login that it replaces is not revoked: issuers can be set
// to end all logins of the same person and client with one. For the same reason a login
// that could not be kept is not revoked either.
//
// over is the login that it may replace, as [See] has told of it, which can be as long ago as a
// device code is good for; nil is whichever is there. Where another one is there by now, nothing is
// written, and the error is [*Another].
func Keep(ctx context.Context, cfg Config, granted *issuer.PendingLogin, over *Seen) error {
	err := locked(ctx, cfg, func(t *transaction, before tokenfile.Content) error {
		if now, ok := seen(before, t.m.Snapshot().State.Ledger); ok && over != nil && !over.goesOnAs(now) {
			return &Another{now}
		}
		return t.keepGranted(before, granted)
	})
	if err != nil && ctx.Err() == nil && !errors.As(err, new(*Another)) {
		what, hint, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("the login was granted but could not be kept, and the one here is unchanged: %s\n%s", what, hint)
	}
	return err
}

// Another is the error about a login that nobody has said may be replaced: that one.
type Another struct{ Seen }

func (a *Another) Error() string { return "somebody else has logged in here meanwhile" }

// goesOnAs reports whether now is no other login that would be lost: the same one, perhaps refreshed
// since, by falcred or a neighbour; one of the same account, for which nobody loses anything; or
// one that has ended.
func (s Seen) goesOnAs(now Seen) bool {
	switch {
	case s.token == now.token || now.Ended:
		return true
	case s.Ended:
		return false
	case s.Account != "" && now.Account != "":
		return s.Account == now.Account
	}
	return !s.Since.IsZero() && s.Since.Equal(now.Since) // the ledger follows a login that falcred refreshes
}

// locked does something under the lock of a home for a command, which gives up when ctx
// ends: with a token file that can be used, as it is now.
func locked(ctx context.Context, cfg Config, do func(t *transaction, now tokenfile.Content) error) error {
	m, err := Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer m.Close()
	t, err := begin(ctx, m, aNote)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return asWire(err)
	}
	defer t.end()
	now := m.file.Read()
	if now.State == tokenfile.Unusable {
		return fmt.Errorf("%w\n%s", now.Err, now.Hint())
	}
	return do(t, now)
}

// keepGranted is Keep under the lock.
func (t *transaction) keepGranted(before tokenfile.Content, granted *issuer.PendingLogin) error {
	m, tokens := t.m, granted.Reply.Tokens
	if err := t.unchanged(before); err != nil {
		return asWire(err)
	}
	// The ledger comes first: a daemon that finds the login knows whose doing it was. A
	// kill between the two costs what it said of the login before.
	former := m.Snapshot().State.Ledger
	var tip journal.Ledger
	if v := granted.Verdict; v.Doubt != nil { // nothing is learned (R10)
		tip = tip.WithTip(tokens, granted.Subject)
		tip.Doubt = tip.Doubt.Again(tokens.Refresh, v.Doubt.Error(), v.Token.Key, v.Token.Algorithm, granted.Keys, clock.Now())
	} else {
		tip = tip.WithTip(tokens, cmp.Or(granted.Subject, tokenfile.Dated(tokens, clock.Now()).Subject))
	}
	tip.Course = former.Course.Begin(tokens.Refresh, clock.Now())
	m.apply(Followed{tip.MadeBy(tokens.Refresh, granted.ClientID)})
	m.apply(Noted{Note{Asked: &journal.Asked{ClientID: granted.ClientID, Audience: granted.Audience, Scopes: granted.Scopes}}})
	if p, named := person(granted.Verdict); named {
		m.apply(Noted{Note{Person: &p}})
	}
	t.saveLedger()
	if err := m.file.Replace(t.target, tokens, func() error { return t.unchanged(before) }); err != nil {
		m.apply(Followed{former})
		t.saveLedger()
		if f := (&failure{}); errors.As(err, &f) {
			return asWire(f)
		}
		return fmt.Errorf("the login cannot be written to %s: %w\n%s", m.file.Path, err, fsx.Hint(err))
	}
	m.apply(Kept{tokens})
	if s := m.Snapshot().State; s.Ledger.Erased.Subject != "" { // no store is held to that account any more (§4)
		m.apply(Noted{Note{Erased: &journal.Erased{At: clock.Now().UnixNano()}}})
		t.saveLedger()
	}
	return nil
}
