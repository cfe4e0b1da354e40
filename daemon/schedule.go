package daemon

import (
	"context"
	"time"
)

// schedule runs until ctx ends. Its timers run on the wall clock's distance,
// so it looks at least once a minute; the alarm covers a suspended machine
// (R2).
func (l *Login) schedule(ctx context.Context) {
	l.work.Go(l.bury)
	for {
		wait := l.tick()
		l.alarm.set(wait)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-l.wake:
			timer.Stop()
		}
	}
}

// bury settles, at the start, refreshes whose login was deleted while no
// daemon ran: what came in is revoked, not adopted (F5).
func (l *Login) bury() {
	target, err := l.file.target()
	if err != nil || l.file.read().state != fileAbsent || len(otherPlaces(target, "")) == 0 {
		return
	}
	ctx := context.Background()
	l.act.Lock()
	defer l.act.Unlock()
	h, err := l.lock(ctx)
	if err != nil {
		return // the next start, or login, sees to it
	}
	defer h.release()
	if l.file.read().state != fileAbsent {
		return
	}
	for _, path := range otherPlaces(target, "") {
		if answer, ok := clearPlace(path); ok {
			if err := l.issuer.revoke(ctx, answer.refresh); err != nil {
				l.warn("a token that arrived after the logout could not be revoked: " + err.Error())
			}
		}
	}
}

// tick does what is due and says how long nothing will be.
func (l *Login) tick() time.Duration {
	l.check()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.dueLocked(now) {
		l.startLocked("")
	}
	wait := slowCheck
	for _, at := range []time.Time{l.login.renew, l.retryAt, l.emptyUntilLocked()} {
		if d := at.Sub(now); d > 0 {
			wait = min(wait, d)
		}
	}
	return wait
}

func (l *Login) emptyUntilLocked() time.Time {
	if l.empty.IsZero() {
		return time.Time{}
	}
	return l.empty.Add(writerDied)
}
