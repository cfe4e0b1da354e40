package login

import (
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/protocol/strict"
)

// F6: whatever an issuer calls an account, what falcred writes it can read again.
func TestALongNameOfAnAccount_F6(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Opaque: true}, func(w *world) {
		w.signIn(strings.Repeat("a", 70<<10))
		w.start()
		w.pass(5 * time.Second)
		for range 3 {
			if l, err := journal.Load(w.home); err != nil || !l.IsTip(w.inFile().Refresh) {
				w.Errorf("falcred.json: %v", err)
			}
			w.pass(2 * time.Hour)
		}
		w.mustGet()
		w.wantAlive()
		if set := strict.Aside(w.home); len(set) != 0 {
			w.Errorf("set aside: %v", set)
		}
	})
}
