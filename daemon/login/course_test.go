package login

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// R8, §4: since when the login exists, and how the last one ended, is known across restarts; an
// issuer that has ended one by its age is expected to do so again, and that is said before.
func TestCourseOfLogins_R8(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 12 * time.Hour}, func(w *world) {
		restart := func() { w.kill(); w.start() }
		w.pass(time.Hour)
		first := time.Now()
		w.signIn("ann")
		w.start()
		w.pass(20 * time.Hour)
		restart()
		if s := w.Snapshot().Status(); !s.LoginSince.Equal(first) || !s.LastEnd.IsZero() {
			t.Errorf("since %v, want %v; ended %v", s.LoginSince, first, s.LastEnd)
		}
		w.pass(10*time.Hour - time.Minute)
		w.idp.RevokeFamily(w.inFile().Refresh)
		w.pass(6 * time.Hour)
		for range 2 { // more than a day in all
			s := w.Snapshot().Status()
			age := time.Duration(s.LastEndAge) * time.Second
			if s.State != protocol.StateLoginRequired || !strings.Contains(s.LastEndCause, "invalid_grant") || age < 29*time.Hour || age > 36*time.Hour || !s.LoginSince.IsZero() || s.LastEnd.Sub(first) != age {
				t.Errorf("status says %+v", s)
			}
			restart() // the same token is in the file: it begins no login, and ends none
			w.pass(13 * time.Hour)
		}
		ended := time.Duration(w.Snapshot().Status().LastEndAge) * time.Second
		list, err := events.Read(w.home)
		if n := len(list); err != nil || n == 0 {
			t.Fatal(err)
		}
		known := false
		for _, e := range list {
			known = known || e.Event == events.LoginRequired && e.Since.Equal(first)
		}
		if !known {
			t.Errorf("the history does not know since when it was: %+v", list)
		}

		second := time.Now()
		w.signIn("ann")
		w.reconcile()
		w.pass(time.Minute)
		soon := func() bool { return strings.Contains(strings.Join(w.Snapshot().Status().Warnings, "\n"), endsSoon) }
		for w.pass(ended * 88 / 100); !soon(); w.pass(10 * time.Minute) {
			if time.Since(second) > ended {
				t.Fatalf("not warned\n%s", w.log)
			}
		}
		if left := ended - time.Since(second); left > ended/10+time.Minute || left < ended/10-20*time.Minute {
			t.Errorf("warned %v before", left)
		}
		if s := w.Snapshot().Status(); !s.LoginSince.Equal(second) || s.LastEnd.IsZero() {
			t.Errorf("since %v, want %v", s.LoginSince, second)
		}
		w.pass(ended/5 + 2*time.Minute) // outlived: it was not its age
		if soon() {
			t.Error("the warning stays")
		}
		w.wantAlive()
		if n := strings.Count(w.log.String(), endsSoon); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

// R8: an earlier version's home has no course, and gets one; a neighbour's refresh begins no
// login, a person's does.
func TestCourseOfAdoptedLogins_R8(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		begun := time.Now().Truncate(time.Second) // a token's dates are whole
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		if err := (journal.Ledger{Issuer: testIssuer, Tip: tokenfile.Fingerprint(refresh), Subject: "ann"}).Save(w.home); err != nil {
			t.Fatal(err)
		}
		w.open() // its schedule does not run: the neighbour comes first
		w.reconcile()
		since := func() time.Time { return w.Snapshot().Status().LoginSince }
		if !since().Equal(begun) {
			t.Errorf("since %v, want its access token's %v", since(), begun)
		}
		w.pass(100 * time.Minute)
		next := w.neighbour().Refresh(context.Background(), refresh, time.Minute).Tokens
		w.write(string(next.Bytes()))
		w.reconcile()
		if !since().Equal(begun) {
			t.Errorf("since %v: a neighbour's refresh is no login", since())
		}
		w.pass(10 * time.Minute)
		again := time.Now().Truncate(time.Second)
		refresh, access, _ = w.idp.Login("ann")
		w.write(refresh, access)
		w.reconcile()
		if !since().Equal(again) {
			t.Errorf("since %v, want %v: it is a new one", since(), again)
		}
		if _, err := w.logout(false, false); err != nil {
			t.Fatal(err)
		}
		w.kill()
		w.open()
		if s := w.Snapshot().Status(); s.LastEnd.Sub(again).Abs() > time.Minute || !strings.Contains(s.LastEndCause, "logout") || s.LastEndAge != 0 && s.LastEndAge > 1 {
			t.Errorf("status says %+v", s)
		}
	})
}

// §3, R8: the hook is told once a day that the login has ended, for as long as it has.
func TestHookIsToldAgain_R8(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.onChangeCommand = `echo "$FALCRED_STATE" >>"$FAL_HOME_DIR/changes"`
		w.signIn("ann")
		w.start()
		w.idp.RevokeFamily(w.inFile().Refresh)
		w.pass(61 * time.Minute)
		w.pass(3*24*time.Hour - 30*time.Minute)
		w.kill()
		data, _ := os.ReadFile(filepath.Join(w.home, "changes"))
		if n := strings.Count(string(data), protocol.StateLoginRequired); n != 3 {
			t.Errorf("told %d times in three days: %q", n, data)
		}
	})
}
