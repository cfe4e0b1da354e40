//go:build linux || darwin

package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// shares has the daemon share its login with others.
func (h *house) shares(uids ...int) (socket string) {
	h.Helper()
	h.share, h.uids = filepath.Join(testkit.ShortDir(h.T), "share"), uids
	return h.share
}

// S7: what others get is the login's access token, and nothing else.
func TestS7SharesTheLoginOnly(t *testing.T) {
	h := newHouse(t, idp.Config{})
	refresh, access := h.SignIn("ann")
	share := h.shares()
	h.cfg.Key = env.Key{Secret: "id:key", Source: "FAL_KEY"}
	h.serve(nil)
	own, c := h.Dial(), h.At(share).Dial()
	if got := own.Secret(); got != "id:key" {
		t.Errorf("the owner gets %s", got)
	}
	if got := c.Secret(); got != access {
		t.Errorf("others get %s, and not the login (R12)", got)
	}
	before := h.IDP.Stats().TokenRequests
	for _, request := range []string{
		`get {"ServerURL":"https://fal.run","Rejected":"` + access + `"}`,
		`watch {"ServerURL":"https://fal.run","Rejected":"` + access + `"}`,
		`store {"ServerURL":"https://fal.run","Username":"<token>","Secret":"` + refresh + `"}`,
		`store nonsense`,
		`erase https://fal.run`,
		`erase {"ServerURL":"https://fal.run","Local":true}`,
	} {
		c.WantCode(request, protocol.CodeDenied)
	}
	var got protocol.Credential
	if err := c.Ask(`get {"ServerURL":"https://fal.run","MinValid":86400,"ForceUser":false}`, &got); err != nil || string(got.Secret) != access {
		t.Errorf("get: %v, %v", got, err)
	}
	if n := h.IDP.Stats().TokenRequests; n != before {
		t.Errorf("others had it refreshed %d times", n-before)
	}
	for _, verb := range []string{"get", "watch", "store", "erase"} {
		if n := strings.Count(h.Logged.String(), overreach+`" verb=`+verb+"\n"); n != 1 {
			t.Errorf("the log says %d times that %s was denied", n, verb)
		}
	}
	c.WantCode("get https://fal.run.example.com", protocol.CodeNotFound)
	c.WantCode("nonsense", protocol.CodeBadRequest)
	if list := map[string]string{}; c.Ask("list", &list) != nil || list["https://fal.run"] != "Bearer" {
		t.Errorf("list: %v", list)
	}
	c.Send("status\nversion\n")
	status := c.Line()
	for _, private := range []string{h.cfg.Home, "ann", "FAL_KEY", "key", refresh, access} {
		if strings.Contains(status, private) {
			t.Errorf("status tells %q: %s", private, status)
		}
	}
	testkit.WantText(t, c.Line(), `"Protocol":1`)

	w := h.At(share).Dial()
	w.Send("watch https://fal.run\n")
	w.Until(access)
	_, access = h.SignIn("ann")
	w.Until(access)
	if !h.IDP.Alive(refresh) {
		t.Error("the login is dead")
	}
}

// S7, S2: the socket's mode lets in who may come, it is made anew where its name
// was taken away, and what is wrong with it does not concern the owner.
func TestS7SocketComesBack(t *testing.T) {
	for mode, uids := range map[os.FileMode][]int{0o600: nil, 0o666: {12345}} {
		h := newHouse(t, idp.Config{})
		h.SignIn("ann")
		share := h.shares(uids...)
		s := h.serve(nil)
		h.At(share).Dial().Secret()
		if info, err := os.Lstat(share); err != nil || info.Mode().Perm() != mode {
			t.Errorf("its mode is %v, want %v", info.Mode(), mode)
		}
		s.end()
		h.wantEnded(s)
		if !testkit.Gone(share) {
			t.Error("it is left behind")
		}
	}
	h := newHouse(t, idp.Config{})
	h.SignIn("ann")
	h.share = filepath.Join(testkit.ShortDir(t), "later", "share")
	h.serve(nil)
	h.Dial().Secret()
	h.Eventually("a warning", func() bool {
		return strings.Contains(strings.Join(h.Status().Warnings, "\n"), "share socket is not served")
	})
}
