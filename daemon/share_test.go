//go:build linux || darwin

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// shares has the daemon share its login with others.
func (h *house) shares(uids ...int) (socket string) {
	h.Helper()
	h.cfg.ShareSocket, h.cfg.AllowUIDs = filepath.Join(shortDir(h.T), "share"), uids
	return h.cfg.ShareSocket
}

// at is the same house, seen through another socket.
func (h *house) at(socket string) *house {
	other := *h
	other.sock = socket
	return &other
}

// S7: what others get is the login's access token, and nothing else.
func TestS7SharesTheLoginOnly(t *testing.T) {
	h := newHouse(t, idp.Config{})
	refresh, access := h.signIn("ann")
	share := h.shares()
	h.cfg.Key = env.Key{Secret: "id:key", Source: "FAL_KEY"}
	h.run()
	own, c := h.dial(), h.at(share).dial()
	if got := own.secret(); got != "id:key" {
		t.Errorf("the owner gets %s", got)
	}
	if got := c.secret(); got != access {
		t.Errorf("others get %s, and not the login (R12)", got)
	}
	before := h.idp.Stats().TokenRequests
	for _, request := range []string{
		`get {"ServerURL":"https://fal.run","Rejected":"` + access + `"}`,
		`watch {"ServerURL":"https://fal.run","Rejected":"` + access + `"}`,
		`store {"ServerURL":"https://fal.run","Username":"<token>","Secret":"` + refresh + `"}`,
		`store nonsense`,
		`erase https://fal.run`,
		`erase {"ServerURL":"https://fal.run","Local":true}`,
	} {
		c.wantCode(request, protocol.CodeDenied)
	}
	var got protocol.Credential
	if err := c.ask(`get {"ServerURL":"https://fal.run","MinValid":86400,"ForceUser":false}`, &got); err != nil || string(got.Secret) != access {
		t.Errorf("get: %v, %v", got, err)
	}
	if n := h.idp.Stats().TokenRequests; n != before {
		t.Errorf("others had it refreshed %d times", n-before)
	}
	for _, verb := range []string{"get", "watch", "store", "erase"} {
		if n := strings.Count(h.log.String(), overreach+`" verb=`+verb+"\n"); n != 1 {
			t.Errorf("the log says %d times that %s was denied", n, verb)
		}
	}
	c.wantCode("get https://fal.run.example.com", protocol.CodeNotFound)
	c.wantCode("nonsense", protocol.CodeBadRequest)
	if list := map[string]string{}; c.ask("list", &list) != nil || list["https://fal.run"] != "Bearer" {
		t.Errorf("list: %v", list)
	}
	c.send("status\nversion\n")
	status := c.line()
	for _, private := range []string{h.cfg.Home, "ann", "FAL_KEY", "key", refresh, access} {
		if strings.Contains(status, private) {
			t.Errorf("status tells %q: %s", private, status)
		}
	}
	mustContain(t, c.line(), `"Protocol":1`)

	w := h.at(share).dial()
	w.send("watch https://fal.run\n")
	w.until(access)
	_, access = h.signIn("ann")
	w.until(access)
	if !h.idp.Alive(refresh) {
		t.Error("the login is dead")
	}
}

// S7, S2: the socket's mode lets in who may come, it is made anew where its name
// was taken away, and what is wrong with it does not concern the owner.
func TestS7SocketComesBack(t *testing.T) {
	for mode, uids := range map[os.FileMode][]int{0o600: nil, 0o666: {12345}} {
		h := newHouse(t, idp.Config{})
		h.signIn("ann")
		share := h.shares(uids...)
		h.run()
		h.at(share).dial().secret()
		if info, err := os.Lstat(share); err != nil || info.Mode().Perm() != mode {
			t.Errorf("its mode is %v, want %v", info.Mode(), mode)
		}
		h.end()
		if !gone(share) {
			t.Error("it is left behind")
		}
	}
	h := newHouse(t, idp.Config{})
	h.signIn("ann")
	h.cfg.ShareSocket = filepath.Join(shortDir(t), "later", "share")
	h.run()
	h.dial().secret()
	h.eventually("a warning", func() bool {
		return strings.Contains(strings.Join(h.status().Warnings, "\n"), "share socket is not served")
	})
}
