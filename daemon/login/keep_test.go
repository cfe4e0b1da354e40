package login

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/fsnotify/fsnotify"
)

// keeper is a home without a daemon, and the issuer that a person logs in to.
type keeper struct {
	*testing.T
	idp  *idp.Provider
	cfg  Config
	path string // the token file
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	server := testkit.StartIssuer(t, idp.Config{AutoApprove: true, Interval: time.Second})
	home := t.TempDir()
	return &keeper{T: t, idp: server.Provider, path: filepath.Join(home, env.TokenFile),
		cfg: Config{Home: home, Issuer: server.URL, ClientID: "test-client", Servers: testkit.FalServers()}}
}

// grant is what `falcred login` does before it keeps anything.
func (k *keeper) grant(ctx context.Context) (*issuer.PendingLogin, error) {
	if err := Keepable(ctx, k.cfg); err != nil {
		return nil, err
	}
	d, err := issuer.New(k.cfg.Issuer, k.cfg.ClientID, nil).Authorize(ctx, issuer.FalScopes, issuer.FalAudience, "")
	if err != nil {
		return nil, err
	}
	return d.Wait(ctx, func(string) {})
}

func (k *keeper) mustGrant() *issuer.PendingLogin {
	k.Helper()
	granted, err := k.grant(k.Context())
	if err != nil {
		k.Fatal(err)
	}
	return granted
}

func (k *keeper) ledger() journal.Ledger {
	k.Helper()
	l, err := journal.Load(k.cfg.Home)
	if err != nil {
		k.Fatal(err)
	}
	return l
}

// wantLogins: the history names every login that was kept, and by whom it was.
func (k *keeper) wantLogins(n int) {
	k.Helper()
	list, err := events.Read(k.cfg.Home)
	for _, e := range list {
		if e.Event != events.LoggedIn || e.Cause != "falcred login" || e.Subject != idp.DefaultSubject {
			k.Errorf("the history says %+v", e)
		}
	}
	if len(list) != n || err != nil {
		k.Errorf("%d logins are in the history, want %d; %v", len(list), n, err)
	}
}

// R6: a refresh token is kept, with or without an access token. The login before it is
// replaced, and not revoked.
func TestKeepWritesWhatWasGranted_R6(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	earlier := ""
	for _, whole := range []bool{true, false} {
		granted := k.mustGrant()
		tokens := &granted.Reply.Tokens
		want := tokens.Refresh + "\n" + tokens.Access
		if !whole {
			tokens.Access, want = "", tokens.Refresh
		}
		if data, _ := os.ReadFile(k.path); !strings.HasPrefix(string(data), earlier) || earlier == "" && data != nil {
			t.Errorf("before anything is kept the file holds %q", data)
		}
		if err := Keep(t.Context(), k.cfg, granted, nil); err != nil {
			t.Fatal(err)
		}
		if data, _ := os.ReadFile(k.path); string(data) != want {
			t.Errorf("the file holds %q, want %q", data, want)
		}
		if l := k.ledger(); !l.IsTip(tokens.Refresh) || l.SubjectOf(tokens.Refresh) != idp.DefaultSubject || l.Issuer != k.cfg.Issuer {
			t.Errorf("falcred.json says %+v", l)
		}
		if !k.idp.Alive(tokens.Refresh) || earlier != "" && !k.idp.Alive(earlier) {
			t.Error("a login has ended")
		}
		earlier = tokens.Refresh
	}
	if entries, probes := journal.Others(k.path, ""), fsx.Temporaries(k.path); len(entries)+len(probes) != 0 {
		t.Errorf("left beside the token file: %v %v", entries, probes)
	}
	k.wantLogins(2)
}

// F3, R10: a daemon that finds a login of ours also finds the note that it is
// ours; a login that could not be written leaves none.
func TestKeepIsNotedFirst_F3R10(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	granted := k.mustGrant()
	if testkit.TrySymlink("/proc/nowhere", k.path) == nil {
		if err := Keep(t.Context(), k.cfg, granted, nil); err == nil {
			t.Error("a login was written into /proc")
		}
		if k.ledger().Tip != "" {
			t.Error("a note of a login that was not written is left")
		}
		k.wantLogins(0)
		os.Remove(k.path)
	}
	home, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := home.Add(k.cfg.Home); err != nil {
		t.Fatal(err)
	}
	if err := Keep(t.Context(), k.cfg, granted, nil); err != nil {
		t.Fatal(err)
	}
	for noted := false; ; {
		switch e := <-home.Events; e.Name {
		case filepath.Join(k.cfg.Home, journal.LedgerName):
			noted = true
		case k.path:
			if l := k.ledger(); !noted || !l.IsTip(granted.Reply.Tokens.Refresh) || l.SubjectOf(granted.Reply.Tokens.Refresh) != idp.DefaultSubject {
				t.Fatal("the login was there before the note")
			}
			return
		}
	}
}

// A login that cannot be kept leaves the one that is there as it is, and says
// so; Ctrl-C is heeded while somebody else holds the lock.
func TestLoginThatCannotBeKept(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	granted := k.mustGrant()
	if err := os.Mkdir(k.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Keep(t.Context(), k.cfg, granted, nil); err == nil || !strings.Contains(err.Error(), "granted but could not be kept, and the one here is unchanged") {
		t.Errorf("Keep: %v", err)
	}
	os.Remove(k.path)

	neighbour, err := disk.OpenFile(filepath.Join(k.cfg.Home, tokenfile.LockName), os.O_CREATE|os.O_RDWR, 0o600)
	testkit.Must(t, err)
	testkit.Must(t, disk.TryLock(neighbour))
	defer neighbour.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := Keep(ctx, k.cfg, granted, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Keep: %v", err)
	}
	if err := Keepable(ctx, k.cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("Keepable: %v", err)
	}
	if _, err := os.Stat(k.path); err == nil {
		t.Error("something was written")
	}
}

// R13, F3: nobody is shown a code for a login that could not be kept.
func TestNotKeepable_R13(t *testing.T) {
	t.Parallel()
	foreign := "r\n" + testkit.JWT(map[string]any{"alg": "none"}, map[string]any{"iss": "https://other.example.com/"}, func(string) []byte { return nil })
	for what, c := range map[string]struct {
		prepare func(k *keeper) error
		want    string
	}{
		"a folder is there":          {func(k *keeper) error { return os.Mkdir(k.path, 0o700) }, env.TokenFile},
		"another issuer's login":     {func(k *keeper) error { return os.WriteFile(k.path, []byte(foreign), 0o600) }, "this home holds a login from"},
		"another issuer's home":      {func(k *keeper) error { return journal.Ledger{Issuer: "https://other.example.com/"}.Save(k.cfg.Home) }, "https://other.example.com/"},
		"a home that others write":   {func(k *keeper) error { return disk.Chmod(k.cfg.Home, 0o777) }, strings.Fields(strict.Withdraw("go", ""))[0]},
		"a link that leads in a row": {func(k *keeper) error { return testkit.TrySymlink(env.TokenFile, k.path) }, "link"},
	} {
		k := newKeeper(t)
		if testkit.NotHere(t, what, c.prepare(k)) {
			continue
		}
		before := k.idp.Stats()
		_, err := k.grant(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if k.idp.Stats() != before {
			t.Errorf("%s, and the issuer was asked", what)
		}
	}
}

// A login that has come since somebody looked is not replaced before it is said whose it is. The
// same login, refreshed since, is no other.
func TestKeepOverAnotherLogin(t *testing.T) {
	t.Parallel()
	looked := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	const before = "before"
	for what, c := range map[string]struct {
		over    Seen
		prepare func(l journal.Ledger) journal.Ledger
		another bool
	}{
		"nobody was there": {Seen{}, nil, true},
		"the same":         {Seen{token: tokenfile.Fingerprint("now")}, nil, false},
		"refreshed":        {Seen{token: before, Since: looked}, func(l journal.Ledger) journal.Ledger { l.Course = l.Course.Begin("now", looked); return l }, false},
		"one that began later": {Seen{token: before, Since: looked}, func(l journal.Ledger) journal.Ledger {
			l.Course = l.Course.Begin("now", looked.Add(time.Second))
			return l
		}, true},
		"of the same account": {Seen{token: before, Account: "ann"}, func(l journal.Ledger) journal.Ledger { l.Subject = "ann"; return l }, false},
		"of another account": {Seen{token: before, Account: "ann", Since: looked}, func(l journal.Ledger) journal.Ledger {
			l.Subject, l.Course = "ben", l.Course.Begin("now", looked)
			return l
		}, true},
		"one that had ended":           {Seen{token: before, Account: "ann", Ended: true}, func(l journal.Ledger) journal.Ledger { l.Subject = "ann"; return l }, true},
		"one that has ended meanwhile": {Seen{token: before}, func(l journal.Ledger) journal.Ledger { l.Course = l.Course.End("now", "", true, looked); return l }, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			granted := k.mustGrant()
			l := journal.Ledger{Issuer: k.cfg.Issuer}.WithTip(tokenfile.TokenPair{Refresh: "now"}, "")
			if c.prepare != nil {
				l = c.prepare(l)
			}
			testkit.Must(t, l.Save(k.cfg.Home))
			testkit.Must(t, testkit.WriteFile(k.path, "now"))
			err := Keep(t.Context(), k.cfg, granted, &c.over)
			another := new(Another)
			if errors.As(err, &another) != c.another || !c.another && err != nil {
				t.Fatalf("Keep: %v", err)
			}
			if !c.another {
				return
			}
			if data, _ := os.ReadFile(k.path); string(data) != "now" || !k.ledger().IsTip("now") || another.Account != l.Subject {
				t.Errorf("the file holds %q, and %q is said to be there", data, another.Account)
			}
			if err := Keep(t.Context(), k.cfg, granted, &another.Seen); err != nil {
				t.Errorf("Keep, once it was said: %v", err)
			}
		})
	}
}
