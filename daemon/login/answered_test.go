package login

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
)

// F5: another falcred of the home has used up the token held, and died with the answer in the
// journal; and the file is an old copy by now. The answer goes there: to take the token held for
// the newest, or the login for ended, would lose it.
func TestAnswerToTheTokenHeld_F5R4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		old := w.inFile()
		w.rotateApart(2)
		answer := w.leavesAnswer(w.inFile().Refresh)
		requests := w.idp.Stats().TokenRequests
		w.write(string(old.Bytes()))
		w.reconcile()
		w.pass(2 * time.Minute)
		if got := w.inFile(); got.Refresh != answer.Refresh {
			t.Fatalf("the file does not hold what the other received\n%s", w.log)
		}
		w.wantRequests(requests, "nothing had to be sent")
		w.mustGet()
		w.wantAlive()
	})
}

// R7, F5: the answer was lost, and meanwhile somebody without the lock has used the same token up
// and written what he got: the repetition would be a use of an old token.
func TestNoRepetitionOverANeighboursToken_R7F5(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Minute}, func(w *world) {
		w.idp.Inject(idp.HangAfter())
		sent := w.signIn("ann")
		w.start()
		w.pass(2 * time.Second)
		theirs := w.neighbour().Refresh(w.Context(), sent, issuer.AnswerTimeout)
		if theirs.Outcome != issuer.Granted {
			t.Fatal(theirs.Err)
		}
		w.write(theirs.Tokens.Refresh, theirs.Tokens.Access)
		w.pass(issuer.AnswerTimeout)
		w.wantRequests(2, "ours, whose answer was lost, and the neighbour's")
		if got := w.mustGet(); got != theirs.Tokens.Access {
			t.Errorf("what the neighbour wrote is not served\n%s", w.log)
		}
		w.pass(3 * time.Hour)
		w.mustGet()
		w.wantAlive()
		w.wantNoEntries()
	})
}

// F5, F7: a login is written, and logged out of before this daemon has seen it. What it holds is
// over as well, whoever else holds it: nobody puts that into the file now that it is gone.
func TestSignOutEndsWhatIsHeld_F5F7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		held, access, _ := w.idp.Login("ann")
		w.write(held, access) // which no refresh follows, to meet the next login
		w.open()
		w.reconcile()
		w.signIn("bob")
		w.signsOut(true)
		if !w.usedUp(held) {
			t.Error("another daemon of the home would take what was held for the login")
		}
	})
}
