package login

import (
	"os"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

func (w *world) wantPerson(name, email string) {
	w.Helper()
	if s := w.Snapshot().Status(); s.Name != name || s.Email != email {
		w.Errorf("it is %q <%s>, want %q <%s>", s.Name, s.Email, name, email)
	}
}

// Who is logged in is known from the first ID token that is verified (R10), to the next daemon too; another
// account's name is not shown for it, and a logout forgets it.
func TestWhoIsLoggedIn_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.start()
		w.settle()
		w.wantPerson("", "") // no ID token has come so far
		w.pass(time.Hour + time.Minute)
		w.wantPerson("ann", "ann@example.com")
		w.kill()
		w.start()
		w.settle()
		w.wantPerson("ann", "ann@example.com")
		refresh, access, _ = w.idp.Login("bob")
		w.write(refresh, access)
		w.reconcile()
		w.wantPerson("", "")
		w.pass(time.Hour + time.Minute)
		w.wantPerson("bob", "bob@example.com")
		if _, err := w.logout(true, true); err != nil {
			t.Fatal(err)
		}
		w.wantPerson("", "")
		wantForgotten(w)
	})
}

func wantForgotten(w *world) {
	w.Helper()
	w.wantPerson("", "")
	if l, err := journal.Load(w.home); err != nil || l.Person != (journal.Person{}) {
		w.Errorf("after a logout falcred.json says %+v, %v", l.Person, err)
	}
}

// The same where fal's own logout deletes the file: the next daemon does not know, either.
func TestWhoWasLoggedInIsForgotten_F7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		w.settle()
		w.wantPerson("ann", "ann@example.com")
		testkit.Must(t, os.Remove(w.path))
		w.reconcile()
		w.pass(2 * time.Minute)
		wantForgotten(w)
		w.kill()
		w.start()
		w.pass(2 * time.Minute)
		wantForgotten(w)
	})
}

// A login of falcred's tells the daemon that runs whose it is, at once.
func TestWhoHasJustLoggedIn_R10(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		refresh, access, _ := w.idp.Login("ann")
		p := tokenfile.TokenPair{Refresh: refresh, Access: access}
		l, err := journal.Load(w.home)
		testkit.Must(t, err)
		l = l.WithTip(p, "ann")
		l.Person = journal.Person{Subject: "ann", Name: "Ann", Email: "ann@example.com"}
		testkit.Must(t, l.Save(w.home))
		w.write(refresh, access)
		w.reconcile()
		w.wantPerson("Ann", "ann@example.com")
	})
}
