//go:build linux || darwin

package server

import (
	"errors"
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
		`get {"ServerURL":"https://fal.run","Team":"acme"}`,
		`watch {"ServerURL":"https://fal.run","Team":""}`,
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

// S7: whatever is wrong at the owner's, others are told one text for each code, and nothing of
// his home, account, team or hosts.
func TestS7OthersAreToldNothing(t *testing.T) {
	for name, c := range map[string]struct {
		code  protocol.Code // of a get; "" for a credential
		spoil func(h *house)
	}{
		"nothing is wrong":    {"", func(h *house) {}},
		"nobody is logged in": {protocol.CodeNotFound, func(h *house) { h.Must(os.Remove(h.File)) }},
		"a broken config":     {protocol.CodeTeamUnresolved, func(h *house) { h.Must(os.WriteFile(h.cfg.FalConfig.Path, []byte("[acme"), 0o600)) }},
		"a team that is not found": {protocol.CodeTeamUnresolved, func(h *house) {
			h.Must(os.WriteFile(h.cfg.FalConfig.Path, []byte("[__internal__]\nteam = \"acme\"\n"), 0o600))
		}},
		"a REST host that is away": {protocol.CodeTeamUnresolved, func(h *house) {
			h.Must(os.WriteFile(h.cfg.FalConfig.Path, []byte("[__internal__]\nteam = \"acme\"\n"), 0o600))
			h.cfg.REST = "http://127.0.0.1:1"
		}},
		"a folder as token file": {protocol.CodeInternal, func(h *house) {
			h.Must(os.Remove(h.File))
			h.Must(os.Mkdir(h.File, 0o700))
		}},
		"a login that has ended": {protocol.CodeLoginRequired, func(h *house) {
			refresh, _, _ := h.IDP.Login("zoe")
			h.IDP.Inject(idp.OAuthError(403, "invalid_grant"))
			h.WriteFile(refresh)
		}},
		"an issuer that is away": {protocol.CodeUnavailable, func(h *house) {
			refresh, _, _ := h.IDP.Login("zoe")
			dead := idp.Status(500)
			h.IDP.SetFault(&dead)
			h.WriteFile(refresh)
		}},
		"another issuer's login": {protocol.CodeLoginRequired, func(h *house) {
			h.WriteFile("r\ne30.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUvIiwiZXhwIjo5OTk5OTk5OTk5fQ.s")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, idp.Config{})
			h.SignIn("zoe")
			h.cfg.REST, h.cfg.FalConfig.Path = h.IDP.URL, filepath.Join(h.cfg.Home, "config.toml")
			share := h.shares()
			h.cfg.Servers, _ = env.NewServers(func(name string) string { return map[string]string{"FALCRED_SERVERS": "gateway.corp.example"}[name] })
			c.spoil(h)
			h.serve(nil)
			owners := h.Dial()
			if err := owners.Ask("get "+protocol.DefaultServer, nil); (err == nil) != (c.code == "") {
				t.Fatalf("the owner is told: %v", err)
			}
			h.toldNothing(share, c.code)
		})
	}
	for name, spoil := range map[string]func(h *house){
		"a damaged falcred.json":       func(h *house) { h.Must(os.WriteFile(filepath.Join(h.cfg.Home, "falcred.json"), []byte("{"), 0o600)) },
		"a home that others can write": func(h *house) { h.Must(os.Chmod(h.cfg.Home, 0o777)) },
		"a home that nobody can read":  func(h *house) { h.Must(os.Chmod(h.cfg.Home, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, idp.Config{})
			_, access := h.SignIn("zoe")
			share := h.shares()
			h.serve(nil)
			h.Dial().Secret()
			h.At(share).Dial().Secret()
			c := h.Dial()
			spoil(h)
			defer os.Chmod(h.cfg.Home, 0o700)
			c.Ask(`get {"ServerURL":"https://fal.run","Rejected":"`+access+`"}`, nil)
			h.toldNothing(share, "")
		})
	}
}

// toldNothing asks for everything there, and wants a get to be answered by that code, "" for
// a credential.
func (h *house) toldNothing(share string, code protocol.Code) {
	h.Helper()
	private := []string{h.cfg.Home, h.File, "acme", "zoe", h.IDP.URL, "127.0.0.1", "corp.example", "other.example", "FAL", "config", "json"}
	for _, request := range []string{
		"get " + protocol.DefaultServer, `get {"ServerURL":"https://fal.run","Rejected":"x"}`, "get https://example.com", "get", "get {", "list",
		"status", "version", `store {"ServerURL":"https://fal.run","Username":"<token>","Secret":"x"}`, "store", "erase https://fal.run", "stop",
		"nonsense", "", "\x01", "watch " + protocol.DefaultServer,
	} {
		c := h.At(share).Dial()
		c.Send(request + "\n")
		line := c.Line()
		c.Close()
		var e *protocol.Error
		if err := protocol.ParseAnswer(line, nil); errors.As(err, &e) && (toOthers[e.Code] == nil || *toOthers[e.Code] != *e) {
			h.Errorf("%q: others are told %q (%s)", request, e.Message, e.Code)
		}
		for _, text := range private {
			if e == nil && !strings.Contains(line, `"Secret"`) && strings.Contains(line, text) || e != nil && text != "FAL" && strings.Contains(line, text) {
				h.Errorf("%q: others are told %q: %s", request, text, line)
			}
		}
		if get := strings.HasPrefix(request, "get "+protocol.DefaultServer) || strings.HasPrefix(request, "watch"); get && (e == nil) != (code == "") || get && e != nil && e.Code != code {
			h.Errorf("%q is answered %s, want code %q", request, line, code)
		}
	}
}

// S10: stop is for the owner's socket only, and ends both.
func TestStopIsTheOwners_S10(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	share := h.shares()
	s := h.serve(nil)
	other := h.At(share).Dial()
	other.WantCode("stop", protocol.CodeDenied)
	other.WantCode("stop now", protocol.CodeDenied)
	if other.Secret() != access || h.Dial().Secret() != access {
		t.Fatal("it does not serve any more")
	}
	if n := strings.Count(h.Logged.String(), overreach+`" verb=stop`); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	if c := h.Dial(); c.Ask("stop", nil) != nil {
		t.Error("the owner cannot stop it")
	}
	other.WantEnd()
	h.wantEnded(s)
	if !testkit.Gone(h.Sock) || !testkit.Gone(share) {
		t.Error("a socket was left behind")
	}
}
