package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// R11, R13: an issuer without a discovery document is named, and what to do is the hint's
// own line; it is found when it is there, without a restart.
func TestDiscoveryIsExplained_R11(t *testing.T) {
	inBubble(t, idp.Config{}, func(w *world) {
		var there atomic.Bool
		w.front = func(rw http.ResponseWriter, r *http.Request) bool {
			if there.Load() || !strings.HasSuffix(r.URL.Path, "openid-configuration") {
				return false
			}
			rw.WriteHeader(http.StatusNotFound)
			return true
		}
		w.signIn("ann")
		w.start()
		w.pass(10 * time.Second)
		p := w.state().Problem
		if p == nil || p.Text != "there is no discovery document at "+testIssuer+"/.well-known/openid-configuration (status 404)" || !strings.HasPrefix(p.Hint, "is FALCRED_ISSUER right?") {
			t.Errorf("%+v", p)
		}
		if _, err := w.Erase(protocol.Query{ServerURL: protocol.DefaultServer}); err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "still logged in: there is no discovery document") {
			t.Errorf("logout: %v", err)
		}
		if err := w.offer("a-token"); err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), "not stored: there is no discovery document") {
			t.Errorf("store: %v", err)
		}
		there.Store(true)
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// R7, R13: an endpoint that moves under a running daemon is found again; the refresh token
// is sent to the new one once.
func TestEndpointMovesUnderADaemon_R13(t *testing.T) {
	inBubble(t, idp.Config{}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(time.Hour)
		w.wantRequests(1, "the first refresh")
		was, old := w.inFile(), 0
		w.front = func(rw http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, "openid-configuration"):
				whole := httptest.NewRecorder()
				w.idp.ServeHTTP(whole, r)
				fmt.Fprint(rw, strings.ReplaceAll(whole.Body.String(), "/oauth/token", "/moved/oauth/token"))
			case strings.HasPrefix(r.URL.Path, "/moved/"):
				r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
				return false
			case r.URL.Path == "/oauth/token":
				old++
				rw.WriteHeader(http.StatusNotFound)
			default:
				return false
			}
			return true
		}
		w.refresh(was.Access)
		if w.inFile() != was || old != 1 {
			t.Fatalf("%d requests for the old address", old)
		}
		w.wantRequests(1, "there is nobody")
		w.refresh(was.Access)
		if w.inFile() == was || old != 1 {
			t.Errorf("not refreshed, after %d requests for the old address\n%s", old, w.log)
		}
		w.wantRequests(2, "at the new address")
		w.wantAlive()
		w.wantNoEntries()
	})
}
