//go:build linux || darwin || windows

package server

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// §4: one connection that stores garbage without a pause keeps nobody from logging out, nor from
// bringing the right login, and asks the issuer a few times.
func TestSection4GarbageBesideALogout(t *testing.T) {
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	right, _, _ := h.IDP.Login("ann")
	h.serve(nil)
	garbage := h.Dial()
	bring := func(secret string) string {
		return `store {"ServerURL":"https://fal.run","Username":"<token>","Secret":"` + secret + `"}`
	}
	garbage.WantCode(bring("garbage"), protocol.CodeDenied)
	garbage.Send(bring("garbage") + "\n" + bring("garbage") + "\n") // without waiting for the answers
	begun := time.Now()
	h.Must(h.Dial().Ask(bring(right), nil))
	h.Must(h.Dial().Ask("erase https://fal.run", nil))
	if took := time.Since(begun); took > storeLimit { // 1 s, and another for each of the garbage in between
		t.Errorf("the right login and the logout took %v", took)
	}
	if n := h.IDP.Stats().TokenRequests; n > 5 {
		t.Errorf("the issuer was asked %d times", n)
	}
}
