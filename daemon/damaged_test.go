//go:build linux || darwin

package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// damages are the ways in which a file can be no good.
var damages = map[string]func(t *testing.T, path, elsewhere string){
	"empty": func(t *testing.T, p, _ string) { testkit.Must(t, os.WriteFile(p, nil, 0o600)) },
	"NULs":  func(t *testing.T, p, _ string) { testkit.Must(t, os.WriteFile(p, make([]byte, 300), 0o600)) },
	"cut":   func(t *testing.T, p, _ string) { testkit.Must(t, os.WriteFile(p, []byte(`{"Iss`), 0o600)) },
	"70 KB": func(t *testing.T, p, _ string) {
		testkit.Must(t, os.WriteFile(p, slices.Repeat([]byte("x"), 70<<10), 0o600))
	},
	"of another type": func(t *testing.T, p, _ string) {
		testkit.Must(t, os.WriteFile(p, []byte(`{"Issuer":["x"],"Event":7}`+"\n"), 0o600))
	},
	"a FIFO":          func(t *testing.T, p, _ string) { testkit.Must(t, syscall.Mkfifo(p, 0o600)) },
	"a folder":        func(t *testing.T, p, _ string) { testkit.Must(t, os.MkdirAll(filepath.Join(p, "x"), 0o700)) },
	"a link":          func(t *testing.T, p, other string) { testkit.Must(t, os.Symlink(other, p)) },
	"a dangling link": func(t *testing.T, p, other string) { testkit.Must(t, os.Symlink(other+".none", p)) },
	"a hard link":     func(t *testing.T, p, other string) { testkit.Must(t, os.Link(other, p)) },
	"of mode 000":     func(t *testing.T, p, _ string) { testkit.Must(t, os.WriteFile(p, nil, 0)) },
	"of mode 0444":    func(t *testing.T, p, _ string) { testkit.Must(t, os.WriteFile(p, nil, 0o444)) },
}

// F6: each of falcred's own files, damaged in each way, stops nothing: the daemon starts, serves
// and refreshes, a person logs in and out. What could not be used is set aside, and is named by
// status, log and doctor.
func TestDamagedFiles_F6(t *testing.T) {
	shared := testkit.StartIssuer(t, idp.Config{Lifetime: 2 * time.Hour})
	for _, name := range []string{journal.LedgerName, journal.ConsumedName, events.HistoryName, tokenfile.LockName, "falcred.sock.lock", "an entry"} {
		for kind, damage := range damages {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				h := &house{House: testkit.NewHouseOf(t, shared.URL)}
				h.IDP, h.cfg, h.Lively = shared, testConfig(h.Home, shared.URL), h.wantRunning
				refresh, _, _ := h.IDP.Login("ann")
				h.WriteFile(refresh + "\n" + h.IDP.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour)) // due
				path, other := filepath.Join(h.Home, name), filepath.Join(h.Home, "other")
				if name == "an entry" {
					path = journal.Path(h.File, refresh)
				}
				testkit.Must(t, os.WriteFile(other, []byte("theirs"), 0o600))
				damage(t, path, other)

				h.run()
				access := h.Dial().Secret()
				if now := h.tokens(); now.Refresh == refresh || now.Access != access || !h.IDP.Alive(now.Refresh) {
					t.Error("it was not refreshed")
				}
				warnings := strings.Join(h.Status().Warnings, "\n")
				h.end()
				h.wantAside(name, kind, path, warnings)
				if data, _ := os.ReadFile(other); string(data) != "theirs" && !(kind == "a hard link" && (name == journal.ConsumedName || name == events.HistoryName)) {
					t.Errorf("the file behind the link holds %q", data)
				}
				if list, err := events.Read(h.Home); err != nil || len(list) < 3 {
					t.Errorf("the history: %v, %v", list, err)
				}

				os.RemoveAll(path)
				damage(t, path, other)
				h.logInAndOut()
			})
		}
	}
}

// wantAside wants what was damaged beyond use to be set aside and named, and nothing else.
func (h *house) wantAside(name, kind, path, warnings string) {
	h.Helper()
	found := strict.Aside(h.Home)
	beyond := strings.HasPrefix(kind, "a ") && kind != "a hard link" || kind == "another user's"
	switch name {
	case journal.ConsumedName: // what may be a list stays, and is said to be unreadable
		beyond = kind == "a FIFO" || kind == "a folder" || kind == "a dangling link"
	case journal.LedgerName: // by its content, too
		beyond = true
	}
	if !beyond {
		if len(found) != 0 {
			h.Errorf("set aside: %v", found)
		}
		return
	}
	if len(found) != 1 || found[0] != path+".damaged" {
		h.Fatalf("set aside: %v", found)
	}
	testkit.WantText(h, warnings, "set aside as damaged: "+found[0])
	testkit.WantText(h, h.Logged.String(), "set aside as damaged: "+found[0])
	named := false
	for _, f := range doctor.Examine(h.Context(), doctor.Config{Config: h.cfg.Config}) {
		named = named || f.Check == "own files" && f.Result == doctor.Warn && strings.Contains(f.Text, found[0])
	}
	if !named {
		h.Error("doctor does not name it")
	}
}

// logInAndOut is `falcred login` and `falcred logout --local`, as far as they touch the home.
func (h *house) logInAndOut() {
	h.Helper()
	h.Must(login.Keepable(h.Context(), h.cfg.Config))
	refresh, access, _ := h.IDP.Login("ann")
	tokens := tokenfile.TokenPair{Refresh: refresh, Access: access}
	h.Must(login.Keep(h.Context(), h.cfg.Config, &issuer.PendingLogin{Reply: issuer.Reply{Tokens: tokens}, Subject: "ann"}, nil))
	if h.tokens() != tokens {
		h.Error("the login is not in the file")
	}
	if _, err := login.Logout(h.cfg.Config, true); err != nil || !testkit.Gone(h.File) {
		h.Errorf("logout --local: %v", err)
	}
}

// F6, R13: where nothing but a damaged falcred.json said whose logins a home holds, nothing is
// sent, and the words say what to do. What else is certain does: the home, a name, the token.
func TestDamagedLedgerAndAnUncertainIssuer_R13(t *testing.T) {
	home := testkit.ShortDir(t)
	path := filepath.Join(home, journal.LedgerName)
	file := filepath.Join(home, env.TokenFile)
	for name, tt := range map[string]struct {
		iss                      string
		falsHome, named, refused bool
	}{
		"nothing":              {refused: true},
		"another in the token": {iss: "https://id.example.com", refused: true},
		"fal's home":           {falsHome: true},
		"named":                {named: true},
		"the token":            {iss: issuer.FalIssuer},
	} {
		testkit.Must(t, os.WriteFile(path, []byte("{"), 0o600))
		text := "refresh"
		if tt.iss != "" {
			text += "\n" + testkit.JWT(map[string]any{"alg": "none"}, map[string]any{"iss": tt.iss}, func(string) []byte { return nil })
		}
		testkit.Must(t, os.WriteFile(file, []byte(text), 0o600))
		cfg := login.Config{Home: home, Issuer: issuer.FalIssuer, FalsHome: tt.falsHome, Named: tt.named, Servers: testkit.FalServers()}
		err := cfg.CheckIssuer()
		if (err != nil) != tt.refused {
			t.Errorf("%s: %v", name, err)
		}
		if !tt.refused {
			continue
		}
		testkit.WantText(t, err.Error(), "nothing else says whose logins this home holds\nname their issuer in "+filepath.Join(home, "falcred.env"))
		if _, err := login.Logout(cfg, true); err == nil {
			t.Errorf("%s: it was opened", name)
		}
		if data, _ := os.ReadFile(path); string(data) != "{" {
			t.Errorf("%s: it was set aside: what it says is gone", name)
		}
	}
}
