package login

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
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
		if l, err := journal.Load(w.home); err != nil || l.Person != (journal.Person{}) {
			t.Errorf("after a logout falcred.json says %+v, %v", l.Person, err)
		}
	})
}
