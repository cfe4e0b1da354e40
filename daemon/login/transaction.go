package login

import (
	"context"
	"strings"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/strict"
)

// transaction is a piece of work under one hold of the lock (F1): a rotation, a store,
// an erase.
type transaction struct {
	m       *Manager
	ctx     context.Context // ends with the hold
	cancel  context.CancelFunc
	lock    *tokenfile.Lock
	target  string // the token file, behind symlinks
	missing bool   // the file had vanished before (F7)
	about   string // the refresh token of the login that it is for
	kind    holder
}

// holder is what a transaction is for.
type holder int

const (
	aNote     holder = iota // writes something down, in milliseconds
	aRotation               // can hold the lock for HoldMax, and keeps R7's pauses by itself
	aClients                // the same for a client's store or erase, who could ask for the next at once
)

// begin takes the lock, this process's, then everybody's, and reads the ledger anew: what
// another daemon of this home has consumed counts too (F5). It waits no longer than ctx, and
// for everybody's no longer than tokenfile.LockWait. end gives both back.
func begin(ctx context.Context, m *Manager, kind holder) (*transaction, error) {
	t := &transaction{m: m, kind: kind}
	if err := t.take(ctx); err != nil {
		return nil, err
	}
	if err := t.open(ctx); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// take waits for this process's other transaction. A mutex that is free is taken even at
// the end, as a free lock is: some only write down what is known.
func (t *transaction) take(ctx context.Context) error {
	select {
	case <-t.m.turn:
	default:
		if task.Wait(task.Forever, t.m.turn, ctx.Done()) == 1 {
			return unavailable("falcred is shutting down, and has not begun with this request", "try again in a moment")
		}
	}
	t.leaveGap(ctx)
	return nil
}

// leaveGap leaves the lock to the neighbours for a while between two long holds of which one
// is a client's doing. The mutex is held.
func (t *transaction) leaveGap(ctx context.Context) {
	wait := t.m.freed.Add(neighboursTurn).Sub(clock.Now())
	if wait <= 0 || t.kind != aClients && !(t.kind == aRotation && t.m.freedBy == aClients) {
		return
	}
	task.Wait(wait, ctx.Done())
}

func (t *transaction) open(ctx context.Context) error {
	m := t.m
	ctx, cancel := clock.WithTimeout(ctx, tokenfile.LockWait)
	defer cancel()
	lock, err := tokenfile.Acquire(ctx, m.cfg.Home)
	if err != nil {
		return t.lockFailure(err)
	}
	t.lock = lock
	t.ctx, t.cancel = clock.WithTimeout(m.ending.last, tokenfile.HoldMax)
	if t.target, err = m.file.Target(); err != nil {
		return unavailable(err.Error(), "make the link point into an existing folder of yours, or remove it")
	}
	s := m.Snapshot().State
	t.missing, t.about = s.Phase == Missing, s.Tokens.Refresh
	return t.readLedger()
}

func (t *transaction) end() {
	if t.lock != nil {
		t.lock.Release()
		t.m.freed, t.m.freedBy = clock.Now(), t.kind
	}
	if t.cancel != nil {
		t.cancel()
	}
	t.m.turn <- struct{}{}
}

func (t *transaction) lockFailure(err error) *failure {
	if text, hint := fsx.Explain(err); hint != "" {
		f := unavailable(text, hint)
		f.file = strict.As(err) != nil // the home's, where the token file cannot be used either
		return f
	}
	return unavailable(err.Error(), "see who holds it: falcred doctor")
}

func (t *transaction) readLedger() error {
	cfg := t.m.cfg
	ledger, err := journal.Recover(cfg.Home)
	if err != nil {
		t.m.apply(LedgerRead{Err: err})
		return nil // what this daemon knows goes on
	}
	lost := ledger.Issuer == ""
	if ledger, err = ledger.SettleIssuer(cfg.Issuer, issuer.FalIssuer, cfg.FalsHome); err != nil {
		text, hint, _ := strings.Cut(err.Error(), "\n")
		return unavailable(text, hint)
	}
	t.m.apply(LedgerRead{Ledger: ledger, Lost: lost})
	return nil
}

// saveLedger writes what readLedger has read and the transaction has added.
func (t *transaction) saveLedger() error {
	s := t.m.Snapshot().State
	ledger := s.Ledger
	if s.Owed != "" {
		ledger = ledger.Without(s.Owed)
	}
	err := ledger.Save(t.m.cfg.Home)
	t.m.apply(LedgerSaved{Rev: s.ledgerRev, Whole: s.Owed == "", Err: err})
	return err
}

// trim cuts a recorded answer to what the token file is to hold, by which it loses its seal.
// From then on the ledger vouches for it, or its access token, should we die now: where the
// ledger could not be saved, and the token cannot be read, the answer stays sealed, and is
// written to the token file when that can be done (R5).
func trim(entry *journal.Entry, answer tokenfile.TokenPair, saved error) error {
	if _, readable := tokenfile.Payload(answer.Access); saved != nil && !readable {
		return saved
	}
	return entry.Trim(answer)
}

// recordIssuer writes down the home's issuer before it is sent anything of the login (R13).
func (t *transaction) recordIssuer() {
	if t.m.Snapshot().State.unwritten() {
		t.saveLedger()
	}
}

// writeDown saves what was learned outside of a transaction. Where the lock cannot
// be had, the next one that saves writes it too.
func writeDown(ctx context.Context, m *Manager, n Note) {
	t, err := begin(ctx, m, aNote)
	m.apply(Noted{n})
	if err != nil {
		return
	}
	defer t.end()
	t.saveLedger()
}

// unchanged is what stands before every send and every write: we hold the lock that the
// path names (F1), and the file is as it was when the decision was made (F5).
func (t *transaction) unchanged(before tokenfile.Content) error {
	if err := t.lock.Confirm(t.ctx); err != nil {
		return t.lockFailure(err)
	}
	if !t.m.file.Read().Same(before) {
		return errChanged
	}
	return nil
}

// wasUsed is used, for a token that there are good reasons to send or restore: where nobody
// can tell, it was not.
func (t *transaction) wasUsed(refresh string) bool {
	found, err := t.used(refresh)
	if err != nil {
		warnUnreadable(t.m, err)
	}
	return found
}

// used says whether a refresh token was used up in this home.
func (t *transaction) used(refresh string) (bool, error) {
	return used(t.m.Snapshot().State.Ledger, t.m.cfg.Home, refresh)
}
