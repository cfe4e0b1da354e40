package login

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// keepOpen has the token file open as few programs do: others may read it, and nothing else.
func keepOpen(w *world) (release func()) {
	w.Helper()
	name, err := syscall.UTF16PtrFromString(w.path)
	testkit.Must(w, err)
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ, syscall.FILE_SHARE_READ, nil, syscall.OPEN_EXISTING, 0, 0)
	testkit.Must(w, err)
	return func() { syscall.CloseHandle(h) }
}

// R4, F7: of a token file that nobody can replace, write or remove, nothing is used up, and nothing
// revoked; the token is served as long as it lasts, and once it can be replaced all goes on.
func TestHeldTokenFile_R4F7(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		release := keepOpen(w)
		w.pass(65 * time.Minute)
		w.wantRequests(1, "the answer could not be kept")
		w.mustGet()
		if s := w.Snapshot().Status(); !strings.Contains(s.LastError, "not refreshed") || !strings.Contains(s.Hint, "close what has it open") {
			t.Errorf("status says %q, %q", s.LastError, s.Hint)
		}
		other, _, _ := w.idp.Login("ann")
		err := w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(other)}, Client{})
		if err == nil || !strings.Contains(err.Error(), "not stored") || !strings.Contains(err.Error(), "\nclose what has it open") || !w.idp.Alive(other) {
			t.Errorf("store says %v", err)
		}
		w.wantRequests(1, "its answer could not be kept")
		if _, err := w.logout(false, false); err == nil || !strings.Contains(err.Error(), "still logged in") {
			t.Errorf("a logout says %v", err)
		}
		w.wantAlive()
		release()
		w.pass(2 * time.Minute)
		w.wantRequests(2, "it can be replaced again")
		w.wantAlive()
		w.wantNoEntries()
		if _, err := w.logout(false, false); err != nil {
			t.Error(err)
		}
	})
}
