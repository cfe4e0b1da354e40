package login

import (
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/words"
)

// debounce gathers the events of one write: a neighbour's is a truncate and a write, ours
// a rename. It counts from the first event, not the last: somebody who writes without a
// pause must not keep us from reading.
const debounce = 10 * time.Millisecond

// tolerableJump is what a clock may move between two readings of it before it is noted.
const tolerableJump = time.Minute

// Run keeps the login fresh until the daemon is asked to end: it follows the token file
// and the fal config, and rotates ahead of time. ready is closed when the file has been
// read for the first time. What it has begun may still be under way when it returns.
func (m *Manager) Run(ready chan<- struct{}) {
	watch := tokenfile.OpenWatch(func(err error) {
		if m.ending.over() {
			return // Close may be under way
		}
		m.Warn("changes to the token file are noticed only once a minute: " + err.Error() +
			"\nif inotify has run out, raise fs.inotify.max_user_instances and max_user_watches")
	})
	defer watch.Close()
	alarm := clock.New()
	defer alarm.Close()
	s := schedule{m: m, watch: watch, alarm: alarm}
	s.tick()
	close(ready)
	s.run()
}

// schedule reads the file and does what is due when the file changes, when a moment has
// come, and at least once a minute; the alarm covers a suspended machine (R2).
type schedule struct {
	m          *Manager
	watch      *tokenfile.Watch // nil in tests alone, where nothing tells of changes
	alarm      *clock.Alarm
	looked     time.Time // when both clocks were read last, by the monotonic one…
	lookedWall time.Time // …and by the wall's
}

// run ends when the daemon is asked to end.
func (s *schedule) run() {
	m := s.m
	m.work.Go(func() { settle(m) })
	var changed <-chan struct{}
	for {
		s.jumped()
		wait := s.tick()
		if s.watch != nil {
			changed = s.watch.Changed()
			wait = min(wait, s.aim())
		}
		s.alarm.Set(wait)
		if !s.wait(changed) {
			return
		}
	}
}

// wait waits until there is something to do. It is false when the daemon is asked to end.
func (s *schedule) wait(changed <-chan struct{}) bool {
	for left := task.Forever; ; {
		begun := clock.Now()
		switch task.Wait(left, s.m.ending.begun.Done(), s.alarm.C, s.m.wake, changed) {
		case 0:
			return false
		case 3:
			readTeam(s.m) // whom the next request is attributed to
			left = min(left-clock.Now().Sub(begun), debounce)
		default:
			return true
		}
	}
}

// tick does what is due and says how long nothing will be.
func (s *schedule) tick() time.Duration {
	m := s.m
	m.reconcile()
	readTeam(m)
	nameAside(m)
	e := Tick{}
	if held := m.Snapshot().State.Tokens.Refresh; unfinished(m.file, held) {
		e.Unfinished = held
	}
	select {
	case <-m.wake: // what it is about, this sees too: the file need not be read twice
	default:
	}
	state := m.apply(e)
	return state.untilDue(clock.Now())
}

// jumped notes that the wall clock has moved by another time than the monotonic one since
// both were read last: what runs by it has moved, too.
func (s *schedule) jumped() {
	now := clock.Now()
	if !s.looked.IsZero() {
		jump := now.Round(0).Sub(s.lookedWall) - now.Sub(s.looked)
		if jump.Abs() > tolerableJump {
			way := "ahead, or the machine slept"
			if jump < 0 {
				way = "back"
			}
			s.m.Note(events.Clock, "it moved "+words.Span(jump.Abs().Round(time.Second))+" "+way)
		}
	}
	s.looked, s.lookedWall = now, now.Round(0)
}

// aim watches where the token file is now, its target where it is a link, and the fal
// config. It says when to do so again if nothing happens.
func (s *schedule) aim() (again time.Duration) {
	m := s.m
	paths := []string{m.file.Path}
	if config := m.cfg.FalConfig.Path; fsx.IsFolder(filepath.Dir(config)) { // none above is watched for what may come to be
		paths = append(paths, config)
	}
	target, err := m.file.Target()
	if err == nil {
		paths = append(paths, target)
	}
	again = s.watch.Aim(paths...)
	if err != nil || m.file.Check() != nil { // a link or a folder above may be put right, without an event
		return tokenfile.FolderPoll
	}
	return again
}

// settle does at the start, under the lock, what waits for no rotation: the issuer's
// record (R13), and rotations whose login was deleted while no daemon ran: what came in is
// revoked, not adopted (F5).
func settle(m *Manager) {
	if m.Snapshot().State.unwritten() {
		writeDown(m.ending.side, m, Note{})
	}
	for _, answer := range bury(m) {
		disown(m, clientOf(m, answer), answer.Refresh)
	}
}

// bury clears the journal of a deleted login and returns what was in it. By falcred.json another
// daemon of the home hears that neither that nor what it came for is to be sent: it may still
// hold the login, and wait for the issuer (F7).
func bury(m *Manager) (answers []tokenfile.TokenPair) {
	target, err := m.file.Target()
	if err != nil || m.file.Read().State != tokenfile.Absent || len(journal.Others(target, "")) == 0 {
		return nil
	}
	t, err := begin(m.ending.side, m, aNote)
	if err != nil {
		return nil // the next start, or login, sees to it
	}
	defer t.end()
	if m.file.Read().State != tokenfile.Absent {
		return nil
	}
	known, entries := m.Snapshot().State.Ledger, journal.Others(t.target, "")
	answers = t.noteConsumed(entries)
	for _, answer := range answers {
		m.apply(ConsumedHere{[]string{answer.Refresh}})
	}
	if len(answers) > 0 && t.saveLedger() != nil {
		return answers // which stay where the others find them
	}
	for _, path := range entries {
		journal.Clear(path, known)
	}
	return answers
}
