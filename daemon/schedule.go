package daemon

import (
	"context"
	"time"
)

// schedule runs until ctx ends. It waits for the wall clock's distance, so it looks
// at least once a minute; the alarm covers a suspended machine (R2).
func (l *Login) schedule(ctx context.Context) {
	l.work.Go(l.settle)
	given := -1 // how many refreshes there were when memory was last given back; -1: not even the start's was
	rang := false
	for {
		l.alarm.Set(l.tick())
		if rang {
			given = l.giveBack(given)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.alarm.C:
			rang = true
		case <-l.wake:
			rang = false
		}
	}
}

// settle does at the start, under the lock, what waits for no refresh: the
// issuer's record (R13), and refreshes whose login was deleted while no daemon
// ran: what came in is revoked, not adopted (F5).
func (l *Login) settle() {
	l.mu.Lock()
	unwritten := l.unwritten
	l.mu.Unlock()
	if unwritten {
		l.remember(func(*memory) {})
	}
	for _, refresh := range l.bury() {
		l.disown(refresh)
	}
}

// bury clears the places of a deleted login and returns what was in them.
func (l *Login) bury() (refresh []string) {
	target, err := l.file.target()
	if err != nil || l.file.read().state != fileAbsent || len(otherPlaces(target, "")) == 0 {
		return nil
	}
	e, err := l.begin()
	if err != nil {
		return nil // the next start, or login, sees to it
	}
	defer e.end()
	if e.file.read().state != fileAbsent {
		return nil
	}
	for _, path := range otherPlaces(e.target, "") {
		if answer, ok := clearPlace(path); ok {
			refresh = append(refresh, answer.refresh)
		}
	}
	return refresh
}

// tick does what is due and says how long nothing will be.
func (l *Login) tick() time.Duration {
	l.check()
	l.checkTeam()
	l.mu.Lock()
	refresh := l.login.refresh
	l.mu.Unlock()
	unfinished := refresh != "" && l.unfinished(refresh) // not under mu: a network home can hang
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == "" { // the first look: what is there is no change
		l.told = l.loginStateLocked()
	}
	now := time.Now()
	l.clockLocked(now)
	if l.dueLocked(now, unfinished && refresh == l.login.refresh) {
		l.startLocked("")
	}
	l.askTeamLocked(now)
	l.reconsiderLocked(now)
	wait := untilLook(now)
	for _, at := range []time.Time{l.login.renew, l.retryAt, l.emptyUntilLocked(), l.teamAtLocked(), l.doubtAtLocked()} {
		if d := left(at, now); d > 0 {
			wait = min(wait, d)
		}
	}
	return wait
}

// tolerableJump is what a clock may move between two looks before it is noted.
const tolerableJump = time.Minute

// clockLocked notes a jump: what runs by the wall clock has moved with it.
func (l *Login) clockLocked(now time.Time) {
	if !l.looked.IsZero() {
		jump := now.Round(0).Sub(l.lookedWall) - now.Sub(l.looked)
		if jump.Abs() > tolerableJump {
			l.happenedLocked(EventClock, "it moved by "+jump.Round(time.Second).String()+", or the machine slept")
		}
	}
	l.looked, l.lookedWall = now, now.Round(0)
}

func (l *Login) emptyUntilLocked() time.Time {
	if l.empty.IsZero() {
		return time.Time{}
	}
	return l.empty.Add(writerDied)
}
