package login

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// F5, R2: what another falcred of the home has just received is as fresh as it was there, though
// its access token cannot be read, or a clock is ahead of the issuer's. Else each of two daemons
// refreshed at once what the other had, several times a second. What is older, or came from
// somebody else, is dated by its own word.
func TestFreshFromAnotherFalcred_F5(t *testing.T) {
	opaque := tokenfile.TokenPair{Refresh: "received", Access: "opaque"}
	ahead := tokens("received", "ann", here, 3*time.Hour)
	for name, tt := range map[string]struct {
		pair    tokenfile.TokenPair
		tip     string
		rotated time.Duration // before noon
		lasts   int64
		expires time.Duration
		other   bool
	}{
		"opaque, just now":               {opaque, "received", time.Second, 7200, 2*time.Hour - time.Second, false},
		"opaque, its life is not known":  {opaque, "received", time.Second, 0, 0, false},
		"by a clock that is ahead":       {ahead, "received", time.Second, 0, 2*time.Hour - time.Second, false},
		"an hour ago":                    {opaque, "received", time.Hour, 7200, 0, false},
		"its access token is cut away":   {tokenfile.TokenPair{Refresh: "received"}, "received", time.Second, 7200, 0, false},
		"opaque, and has run out":        {opaque, "received", time.Minute, 50, -10 * time.Second, false},
		"before the clock was set back":  {opaque, "received", -time.Hour, 7200, 0, false},
		"somebody else's":                {opaque, "another", time.Second, 7200, 0, false},
		"somebody else's, and run out":   {ahead, "another", time.Second, 7200, -time.Hour, false},
		"run out by its own word, later": {ahead, "received", time.Hour, 0, -time.Hour, false},
		"beside another access token":    {ahead, "received", time.Second, 0, -time.Hour, true},
	} {
		known := journal.Ledger{Issuer: here}.WithTip(tokenfile.TokenPair{Refresh: tt.tip, Access: tt.pair.Access}, "ann")
		if tt.other {
			known.TipIssued-- // of another access token
		}
		known.Rotated, known.TipLasts = noon.Add(-tt.rotated).Unix(), tt.lasts
		s, _ := next(State{Ledger: journal.Ledger{Issuer: here}}, Read{Reading{Content: tokenfile.Content{State: tokenfile.Holds, Pair: tt.pair}, Known: known}}, noon)
		if got := s.Tokens.Expires; tt.expires == 0 != got.IsZero() || tt.expires != 0 && !got.Equal(noon.Add(tt.expires)) {
			t.Errorf("%s: it expires at %v", name, got)
		}
		if want := tt.expires > 0; s.Tokens.Fresh(noon) != want {
			t.Errorf("%s: fresh %v", name, !want)
		}
	}
}

// F5: a login that was replaced while the answer to its refresh lay in the journal alone is noted as
// consumed, by its entry's name, before that goes.
func TestWhatIsSweptIsConsumed_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		sent := w.signIn("ann")
		w.leavesAnswer(sent)
		w.signIn("bob")
		w.start()
		w.refresh("")
		if used, err := journal.Used(w.home, sent); !used || err != nil {
			t.Errorf("used: %v, %v\n%s", used, err, w.log)
		}
		w.wantNoEntries()
	})
}

// F3, F5: a file that was left empty is not filled with what another falcred of the home has used up:
// its answer, where that lies in the journal, goes there.
func TestEmptyFileGetsTheAnswer_F3F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.mustGet()
		sent := w.inFile().Refresh
		answer := w.leavesAnswer(sent)
		testkit.Must(w.T, os.Truncate(w.path, 0))
		w.pass(2 * time.Minute)
		if now := w.inFile(); now != answer || strings.Contains(fmt.Sprint(w.log), (events.Event{Event: events.Restored}).Text()) {
			t.Errorf("the file holds %q\n%s", now.Bytes(), w.log)
		}
	})
}

// F7: a logout ends what was kept as the fallback, too: another falcred of the home may hold that,
// and not have seen the login after it.
func TestLogoutEndsTheFallback_F7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		first, _, _ := w.idp.Login("ann")
		second, _, _ := w.idp.Login("ann")
		w.write(first, w.idp.Mint("ann", time.Now(), 2*time.Hour)) // neither is refreshed before the logout
		w.start()
		w.settle()
		w.write(second, w.idp.Mint("ann", time.Now(), 2*time.Hour))
		w.reconcile()
		w.settle()
		if w.state().Fallback.Refresh != first {
			t.Fatalf("the fallback is not the first login\n%s", w.log)
		}
		if _, err := w.logout(true, true); err != nil {
			t.Fatal(err)
		}
		if used, err := journal.Used(w.home, first); !used || err != nil {
			t.Errorf("used: %v, %v", used, err)
		}
	})
}
