package login

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// withDesktop runs f in a bubble on a machine with a desktop.
func withDesktop(t *testing.T, f func(w *world, d *testkit.Desktop)) {
	t.Helper()
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	d := testkit.StartDesktop(t, run)
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.notify = true
		w.signIn("ann")
		f(w, d)
	})
}

// end has the issuer end the login, and the daemon find out.
func (w *world) end() {
	w.Helper()
	w.idp.RevokeFamily(w.inFile().Refresh)
	w.pass(61 * time.Minute)
	if state := w.Snapshot().Status().State; state != protocol.StateLoginRequired {
		w.Errorf("the state is %s", state)
	}
}

// S12: a desktop shows once for each day that a login has ended, and by the next login no more.
// A daemon that starts anew adds none.
func TestDesktop_S12(t *testing.T) {
	withDesktop(t, func(w *world, d *testkit.Desktop) {
		w.start()
		w.pass(3 * time.Hour)
		if d.Calls() != 0 {
			w.Error("something was shown of a login that lives")
		}
		w.end()
		w.pass(22 * time.Hour)
		w.kill()
		w.start()
		w.pass(30 * time.Minute)
		if n := len(d.Shown()); n != 1 {
			w.Errorf("%d were shown on the first day", n)
		}
		w.pass(47 * time.Hour)
		if n := len(d.Shown()); n != 2 {
			w.Errorf("%d were shown in almost 3 days, a daemon's start in the middle\n%s", n, w.log)
		}
		w.signIn("ann")
		w.reconcile()
		w.pass(time.Second)
		if open := d.Open(); len(open) != 0 {
			w.Errorf("%v can be seen after a login", open)
		}
		w.end()
		if n := len(d.Shown()); n != 3 {
			w.Errorf("%d were shown after the second end", n)
		}
		os.Remove(w.path)
		w.reconcile()
		w.pass(time.Second)
		if open := d.Open(); len(open) != 0 {
			w.Errorf("%v can be seen after a logout", open)
		}
	})
}

// S12: nothing is shown while a login waits.
func TestDesktopWhileALoginWaits_S12(t *testing.T) {
	withDesktop(t, func(w *world, d *testkit.Desktop) {
		w.start()
		ended := events.Quiet(w.home)
		w.end()
		if d.Calls() != 0 {
			w.Error("shown while a login waits")
		}
		ended()
		w.pass(25 * time.Hour)
		if n := len(d.Shown()); n != 1 {
			w.Errorf("%d were shown", n)
		}
	})
}

// S12: of the issuer's words, and of the account's name, a desktop shows none; where it is not
// wanted, nothing.
func TestDesktopKnowsNoWord_S12(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		withDesktop(t, func(w *world, d *testkit.Desktop) {
			w.notify = wanted
			w.signIn("canary")
			w.start()
			w.stand(gateway{status: http.StatusBadRequest, kind: "application/json", body: `{"error":"invalid_grant","error_description":"canary <b>canary</b>"}`, only: "/oauth/token"})
			w.pass(61 * time.Minute)
			shown := d.Shown()
			if state := w.Snapshot().Status().State; state != protocol.StateLoginRequired || (len(shown) == 1) != wanted {
				w.Errorf("the state is %s, wanted: %v, and %d were shown", state, wanted, len(shown))
			}
			if text := fmt.Sprint(shown); strings.Contains(text, "canary") {
				w.Error(text)
			}
			w.leaves()
		})
	}
}
