package login

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// slowLog takes a second for each line, as a pipe does that is seldom read.
type slowLog struct{ slog.Handler }

func (s slowLog) Handle(ctx context.Context, r slog.Record) error {
	time.Sleep(time.Second)
	return s.Handler.Handle(ctx, r)
}

// stuckLog takes nothing until it is closed, as a pipe that nobody reads.
type stuckLog struct {
	slog.Handler
	free chan struct{}
}

func (s stuckLog) Handle(context.Context, slog.Record) error {
	<-s.free
	return nil
}

// A log that hangs keeps neither requests nor the schedule from a fresh token.
func TestRefreshNeedsNoLog(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Minute}, func(w *world) {
		free := make(chan struct{})
		defer close(free)
		w.signIn("ann")
		w.open()
		w.Manager.log = slog.New(stuckLog{w.Manager.log.Handler(), free})
		w.Warn("a line")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := w.ask(ctx, plainGet); err != nil {
			t.Fatal(err)
		}
		w.run()
		w.idp.Inject(idp.Lose()) // whose replay is logged
		w.pass(time.Hour)
		w.wantRequests(3, "at half of its life")
		w.wantAlive()
	})
}

// R10, S5: what is learned at the end is written down before Close returns, however long
// the log keeps the one who writes it.
func TestCloseWaitsForWhatFollows_R10(t *testing.T) {
	for name, learn := range map[string]struct {
		from func(w *world)
		seen func(l journal.Ledger, refresh string) bool
	}{
		"a doubt": {
			func(w *world) { w.unverifiable() },
			func(l journal.Ledger, refresh string) bool { return l.Doubt.Of(refresh) },
		},
		"an account": {
			func(*world) {},
			func(l journal.Ledger, refresh string) bool { return l.SubjectOf(refresh) == "ann" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				learn.from(w)
				w.signIn("ann")
				w.open()
				w.Manager.log = slog.New(slowLog{w.Manager.log.Handler()}) // nobody has logged yet
				w.reconcile()
				w.mustGet()
				w.kill()
				l, err := journal.Load(w.home)
				if err != nil || !learn.seen(l, w.inFile().Refresh) {
					t.Errorf("falcred.json says %+v, %v", l, err)
				}
			})
		})
	}
}

// R7: a pause holds for what was decided before it, too: a rotation that the log has kept
// from beginning, while a request began one, is not begun any more.
func TestPauseHoldsForWhatWasDecidedBefore_R7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.idp.Inject(idp.TooMany("600"))
		w.signIn("ann")
		w.open()
		w.Manager.log = slog.New(slowLog{w.Manager.log.Handler()})
		w.reconcile()
		w.wantCode(protocol.CodeUnavailable)
		w.pass(time.Minute)
		w.wantRequests(1, "in a pause")
	})
}

// R4: whoever asks at the start waits for the answer that a kill has left beside the file,
// however busy the one is who does what follows.
func TestRequestWaitsForWhatAKillHasLeft_R4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		used := w.signIn("ann")
		entry, err := journal.Begin(w.path, used)
		if err != nil {
			t.Fatal(err)
		}
		refresh, access, _ := w.idp.Login("ann")
		if err := entry.Record(tokenfile.TokenPair{Refresh: refresh, Access: access}); err != nil {
			t.Fatal(err)
		}
		entry.Keep()
		if err := (journal.Ledger{Issuer: testIssuer}).Consume(used).Save(w.home); err != nil {
			t.Fatal(err)
		}
		w.open()
		w.Manager.log = slog.New(slowLog{w.Manager.log.Handler()})
		w.Warn("a line")
		if bearer := w.mustGet(); bearer != access {
			t.Error("another token is served")
		}
	})
}
