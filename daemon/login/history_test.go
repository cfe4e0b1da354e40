package login

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// told is what the history says, after the owner has ended.
func (w *world) told() (kinds []string) {
	w.Helper()
	w.kill()
	list, err := events.Read(w.home)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range list {
		kinds = append(kinds, e.Event)
	}
	return kinds
}

// Why was I logged out? Each thing that happens to a login leaves a line, and
// none holds a token (R12).
func TestHistoryTellsWhatHappened(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		var secrets []string
		keep := func() {
			p := w.inFile()
			secrets = append(secrets, p.Refresh, p.Access)
		}
		w.signIn("ann")
		w.start()
		keep()
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access) // another program's login
		w.reconcile()
		w.pass(time.Second)
		keep()
		w.idp.RevokeFamily(w.inFile().Refresh)
		w.pass(3 * time.Hour)
		w.signIn("ann")
		w.reconcile()
		w.settle()
		keep()
		w.net.Set(testkit.ErrNetDown, false)
		os.Remove(w.path)
		w.reconcile()
		w.pass(3 * time.Second) // one try at least
		w.net.Set(nil, false)
		w.pass(time.Minute) // it was the CLI's deletion: back again
		keep()
		os.Remove(w.path)
		w.reconcile()
		w.pass(time.Second)
		want := []string{events.LoggedIn, events.Refreshed, events.Adopted, events.Rejected, events.LoginRequired, events.Refused,
			events.Adopted, events.Refreshed, events.Served, events.Vanished, events.Refused, events.Unavailable, events.Refreshed, events.Served, events.Vanished, events.LoggedOut}
		got := w.told()
		if !slices.Equal(got, want) {
			w.Errorf("the history says\n%v, want\n%v", got, want)
		}
		data, _ := os.ReadFile(filepath.Join(w.home, events.HistoryName))
		for _, secret := range secrets {
			if strings.Contains(string(data), secret) {
				w.Error("a token stands in the history")
			}
		}
		if info, _ := disk.Stat(filepath.Join(w.home, events.HistoryName)); info.Mode().Perm() != 0o600 {
			w.Errorf("its mode is %o", info.Mode().Perm())
		}
	})
}

// A jump of the clock is noted, and time that merely passes is not.
func TestHistoryNotesTheClock(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.start()
		w.pass(3 * time.Hour)
		s := schedule{m: w.Manager}
		s.jumped()
		// A jump moves the wall's reading only.
		s.lookedWall = s.lookedWall.Add(-time.Hour)
		s.jumped()
		if got := w.told(); !slices.Equal(got, []string{events.Clock}) {
			w.Errorf("the history says %v", got)
		}
	})
}

// tells is a command that writes down what it is told.
var tells = map[bool]string{
	false: `echo "$FALCRED_STATE" >>"$FAL_HOME_DIR/changes"`,
	true:  `echo %FALCRED_STATE%>>"%FAL_HOME_DIR%\changes"`,
}[runtime.GOOS == "windows"]

// §3: FALCRED_ON_CHANGE is told of each change once, and of no secret.
func TestOnChange(t *testing.T) {
	testkit.InWine(t, "its cmd takes seconds to start, and what changes meanwhile is told in one")
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		t.Setenv("FAL_KEY", "id:canary")
		out := filepath.Join(w.home, "changes")
		w.onChangeCommand = `env >>"$FAL_HOME_DIR/leaks"; ` + tells + `; echo it is wrong >&2; exit 3`
		if runtime.GOOS == "windows" {
			w.onChangeCommand = `set >>"%FAL_HOME_DIR%\leaks" & ` + tells + ` & echo it is wrong>&2 & exit 3`
		}
		w.signIn("ann")
		w.start()
		w.pass(61 * time.Minute)
		w.idp.RevokeFamily(w.inFile().Refresh)
		w.pass(61 * time.Minute)
		if state := w.Snapshot().Status().State; state != protocol.StateLoginRequired {
			w.Errorf("the state is %s", state)
		}
		w.signIn("ann")
		w.reconcile()
		w.settle()
		os.Remove(w.path)
		w.reconcile()
		w.settle()
		w.pass(time.Second)
		log := w.log
		w.kill()
		data, _ := os.ReadFile(out)
		got := strings.Fields(string(data))
		want := []string{"refreshed", "refreshed", "login_required", "logged_in", "refreshed", "unavailable", "logged_out"}
		if !slices.Equal(got, want) {
			w.Errorf("told %v, want %v\n%s", got, want, log)
		}
		if leaks, _ := os.ReadFile(filepath.Join(w.home, "leaks")); len(leaks) == 0 || bytes.Contains(leaks, []byte("canary")) {
			w.Error("a key reached the command")
		}
		if !strings.Contains(log.String(), "FALCRED_ON_CHANGE failed") || !strings.Contains(log.String(), `said="it is wrong"`) {
			w.Error("its failure is not in the log")
		}
	})
}

// A login after a start without one is a change; what is there at the start is none.
func TestOnChangeOfTheFirstLogin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.onChangeCommand = tells
		told := func() string {
			data, _ := os.ReadFile(filepath.Join(w.home, "changes"))
			return strings.Join(strings.Fields(string(data)), " ")
		}
		w.start()
		w.signIn("ann")
		w.reconcile()
		w.pass(time.Second)
		w.kill()
		if got := told(); !strings.HasPrefix(got, "logged_in") {
			w.Errorf("told %q", got)
		}
		before := told()
		w.start()
		w.pass(time.Second)
		w.kill()
		if got := told(); got != before {
			w.Errorf("a start told %q", strings.TrimPrefix(got, before))
		}
	})
}
