package login

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// F1: a lock that is held too long is an error that names it, and nothing is
// sent.
func TestF1HeldLock(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		other, err := tokenfile.Acquire(context.Background(), w.home)
		if err != nil {
			t.Fatal(err)
		}
		w.signIn("ann")
		w.start()
		w.pass(tokenfile.LockWait + time.Second)
		w.wantRequests(0, "somebody else holds the lock")
		w.wantCode(protocol.CodeUnavailable)
		other.Release()
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// F2: a refresh leaves a symlinked token file a symlink, its target 0600.
func TestF2Symlink(t *testing.T) {
	testkit.Symlink(t, t.TempDir(), filepath.Join(t.TempDir(), "probe"))
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		elsewhere := t.TempDir()
		target := filepath.Join(elsewhere, "dotfiles-token")
		if err := os.Symlink(target, w.path); err != nil {
			t.Fatal(err)
		}
		w.signIn("ann") // through the dangling link
		w.start()
		w.mustGet()
		info, err := os.Lstat(w.path)
		if err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Fatal("the link is gone")
		}
		if info, err = disk.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("the target's mode: %v, %v", info, err)
		}
		w.wantAlive()
	})
}

// F2: a file with several hard links is written in place.
func TestF2HardLink(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		second := filepath.Join(t.TempDir(), "second")
		if err := os.Link(w.path, second); err != nil {
			t.Skip("no hard links here")
		}
		w.start()
		w.mustGet()
		a, _ := os.ReadFile(w.path)
		b, _ := os.ReadFile(second)
		if string(a) != string(b) || len(a) == 0 {
			t.Fatal("the links have come apart")
		}
		w.wantAlive()
		w.wantNoEntries()
	})
}

// F2: a token file that others can read is tightened, and said once.
func TestF2Tightened(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		disk.Chmod(w.path, 0o644)
		w.start()
		w.pass(10 * time.Minute)
		if info, _ := disk.Stat(w.path); info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v", info.Mode())
		}
		if n := strings.Count(w.log.String(), "readable by other users"); n != 1 {
			t.Fatalf("said %d times", n)
		}
	})
}

// F3: an empty file is never a logout; left empty for 5 s it is restored.
func TestF3EmptyFile(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		before, token := w.inFile(), w.mustGet()
		w.write("")
		w.reconcile()
		w.pass(writerDied - time.Second)
		if w.mustGet() != token {
			t.Fatal("an empty file was taken for a logout")
		}
		if data, _ := os.ReadFile(w.path); len(data) != 0 {
			t.Fatal("restored before the writer had its time")
		}
		w.pass(2 * time.Second)
		if w.inFile() != before {
			t.Fatal("not restored")
		}
		w.wantRequests(1, "nothing is sent for it")
	})
}

// F3: each writer has its own five seconds. That the file was empty for a moment an hour ago
// does not count for the one that is at work now.
func TestF3EachWriterHasItsTime(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		before := w.inFile()
		w.write("")
		w.reconcile()
		w.pass(time.Second)
		w.write(before.Refresh, before.Access)
		w.reconcile()
		w.pass(time.Hour)
		w.write("")
		w.reconcile()
		w.pass(writerDied - time.Second)
		if data, _ := os.ReadFile(w.path); len(data) != 0 {
			t.Error("restored before the writer had its time")
		}
	})
}

// F3: a file of another kind, or one that is no token file, is an error, not a
// logout: memory goes on serving.
func TestF3UnusableFile(t *testing.T) {
	manyDays(t)
	t.Parallel()
	put := map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"fifo":   mkfifo,
		"binary": func(path string) error { return os.WriteFile(path, []byte("\x7fELF\x00\x01"), 0o600) },
		"10 MB":  func(path string) error { return os.WriteFile(path, make([]byte, 10<<20), 0o600) },
	}
	for name, make := range put {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				before, token := w.inFile(), w.mustGet()
				os.Remove(w.path)
				if err := make(w.path); err != nil {
					w.Skip(err)
				}
				w.reconcile()
				if w.mustGet() != token {
					t.Fatal("memory no longer serves")
				}
				if w.Snapshot().Status().LastError == "" {
					t.Fatal("status says nothing")
				}
				w.pass(3 * time.Hour)
				w.wantRequests(1, "no refresh whose result could not be kept")
				w.wantCode(protocol.CodeUnavailable)
				os.RemoveAll(w.path)
				w.write(before.Refresh, before.Access)
				w.pass(2 * time.Minute)
				w.mustGet()
				w.wantAlive()
			})
		})
	}
}

// F3: a lost event costs at most a minute.
func TestF3SlowCheck(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		refresh, access, _ := w.idp.Login("bob")
		w.write(refresh, access)
		w.pass(time.Minute + time.Second)
		if w.mustGet() != access {
			t.Fatal("a foreign write was not seen within a minute")
		}
	})
}

// F4: falcred never deletes the token file, whatever the issuer answers.
func TestF4NeverDeletes(t *testing.T) {
	manyDays(t)
	t.Parallel()
	faults := []idp.Fault{idp.Status(500), idp.OAuthError(403, "invalid_grant"), idp.OAuthError(401, "invalid_client"), idp.HTML(200), idp.Refuse()}
	for i, fault := range faults {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.idp.SetFault(&fault)
				refresh := w.signIn("ann")
				w.start()
				w.pass(3 * time.Hour / oneIn)
				if w.inFile().Refresh != refresh {
					t.Fatal("the file was changed")
				}
			})
		})
	}
}

// F5: a token that we have spent is neither adopted nor sent, not even after a
// restart; the living one goes back into the file.
func TestF5SpentIsNeverSentAgain(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		spent := w.signIn("ann")
		w.start()
		living := w.inFile()
		w.write(spent) // somebody restores a copy
		w.reconcile()
		w.settle()
		if w.inFile() != living {
			t.Fatal("the living token was not put back")
		}
		w.wantRequests(1, "a spent token in the file")
		w.kill()
		w.write(spent)
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.pass(24 * time.Hour)
		w.wantRequests(1, "after a restart")
		w.write(living.Refresh, living.Access)
		w.reconcile()
		w.pass(time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// F7, R4: where another falcred of the home has left an answer, a file that vanished in an outage
// does not come back by that: the issuer's next answer decides, and by the token that is in force.
func TestVanishedBesideAnAnswer_F7(t *testing.T) {
	for name, loggedOut := range map[string]bool{"the CLI's": false, "a logout": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				w.mustGet()
				w.settle() // it looks no more, until something happens
				sent := w.inFile().Refresh
				answer := w.leavesAnswer(sent)
				w.net.Set(testkit.ErrNetDown, false)
				os.Remove(w.path)
				w.pass(10 * time.Minute)
				if _, err := os.Lstat(w.path); err == nil {
					t.Error("it is back, and nobody has asked the issuer")
				}
				w.wantCode(protocol.CodeUnavailable)
				if loggedOut {
					w.idp.RevokeFamily(answer.Refresh)
				}
				w.net.Set(nil, false)
				w.pass(10 * time.Minute)
				if loggedOut {
					if s := w.state(); w.file.Read().State != tokenfile.Absent || s.held() {
						t.Errorf("it was no logout, but %v\n%s", s.Phase, w.log)
					}
					return
				}
				w.mustGet()
				w.wantAlive()
				if used, _ := journal.Used(w.home, sent); !used {
					t.Error("the token that was consumed is not noted")
				}
			})
		})
	}
}

// F5, F7: a start that ends what a deleted login has left says so to every falcred of the home:
// none sends what was used up for it.
func TestWhatIsBuriedIsConsumed_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		sent := w.signIn("ann")
		answer := w.leavesAnswer(sent)
		os.Remove(w.path)
		w.start()
		w.pass(time.Minute)
		for _, refresh := range []string{sent, answer.Refresh} {
			if used, err := journal.Used(w.home, refresh); !used || err != nil {
				t.Errorf("used: %v, %v\n%s", used, err, w.log)
			}
		}
		if w.idp.Alive(answer.Refresh) {
			t.Error("it was not revoked")
		}
		w.wantNoEntries()
	})
}

// F7: a file that vanishes while the issuer cannot be reached stops the
// serving; the issuer's next answer decides.
func TestF7VanishedInAnOutage(t *testing.T) {
	manyDays(t)
	t.Parallel()
	t.Run("restored", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.net.Set(testkit.ErrNetDown, false)
			os.Remove(w.path) // the CLI, whose refresh failed
			w.reconcile()
			w.wantCode(protocol.CodeUnavailable)
			w.pass(time.Hour)
			w.wantCode(protocol.CodeUnavailable)
			w.net.Set(nil, false)
			w.pass(2 * time.Minute)
			w.mustGet()
			w.wantRequests(2, "one refresh decides")
			w.wantAlive()
		})
	})
	t.Run("a logout", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.idp.RevokeFamily(w.inFile().Refresh)
			w.net.Set(testkit.ErrNetDown, false)
			os.Remove(w.path)
			w.reconcile()
			w.pass(time.Minute)
			w.net.Set(nil, false)
			w.pass(2 * time.Minute)
			w.wantCode(protocol.CodeNotFound)
			if _, err := os.Stat(w.path); err == nil {
				t.Error("a logout was undone")
			}
		})
	})
	t.Run("issuer reachable", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			os.Remove(w.path)
			w.reconcile()
			w.settle()
			w.wantCode(protocol.CodeNotFound)
			w.pass(24 * time.Hour)
			w.wantRequests(1, "a logout is final")
		})
	})
	t.Run("a new login meanwhile", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.signIn("ann")
			w.start()
			w.net.Set(testkit.ErrNetDown, false)
			os.Remove(w.path)
			w.reconcile()
			w.pass(time.Minute)
			refresh, access, _ := w.idp.Login("bob")
			w.write(refresh, access)
			w.reconcile()
			if w.mustGet() != access {
				t.Fatal("the new login is not served")
			}
		})
	})
}

// R3, R1: three owners of one home (a network home) spend one token once.
func TestSeveralOwnersOneRefresh(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		var owners []*world
		for range 3 {
			owner := *w
			owner.Manager = nil
			owners = append(owners, &owner)
		}
		for _, owner := range owners {
			owner.start()
			defer owner.kill()
		}
		w.pass(time.Minute)
		w.wantRequests(1, "three owners start together")
		w.pass(61 * time.Minute)
		w.wantRequests(2, "half of the lifetime")
		for _, owner := range owners {
			if owner.mustGet() != owner.inFile().Access {
				t.Fatal("an owner serves something else than the file")
			}
		}
		w.wantAlive()
	})
}

// A client can force one refresh per access token, none within 5 minutes of
// the last one (§4).
func TestForcedRefreshes(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		ask := func(q protocol.Query) string {
			q.ServerURL = protocol.DefaultServer
			c, err := w.ask(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			return string(c.Secret)
		}
		first := w.mustGet()
		if ask(protocol.Query{Rejected: protocol.Secret(first)}) != first {
			t.Fatal("forced within five minutes of the last refresh")
		}
		w.pass(forcedPause + time.Second)
		second := ask(protocol.Query{Rejected: protocol.Secret(first)})
		if second == first {
			t.Fatal("a rejected token was not replaced")
		}
		if ask(protocol.Query{Rejected: protocol.Secret(first)}) != second {
			t.Fatal("an older rejected token gets the newer one")
		}
		w.wantRequests(2, "one forced refresh")
		w.pass(forcedPause + time.Second)
		for range 100 {
			ask(protocol.Query{MinValid: 30 * 24 * 3600})
		}
		w.wantRequests(3, "MinValid that nothing can satisfy, a hundred times")
	})
}

// §4: a forced refresh that failed may be asked for again; one that the issuer
// answered with the same access token may not.
func TestForcedOncePerAccessToken(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		token := w.mustGet()
		reject := func() {
			if _, err := w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer, Rejected: protocol.Secret(token)}); err != nil {
				w.Fatal(err)
			}
		}
		w.pass(forcedPause + time.Second)
		w.net.Set(testkit.ErrNetDown, false)
		reject()
		w.wantRequests(1, "the network is down")
		w.net.Set(nil, false)
		w.pass(time.Minute)
		w.idp.Inject(idp.Fault{Name: "the same access token", Mutate: func(m map[string]any) { m["access_token"] = token }})
		reject()
		w.wantRequests(2, "the network is back")
		for range 10 {
			w.pass(forcedPause + time.Second)
			reject()
		}
		w.wantRequests(2, "the same access token, rejected again and again")
		w.wantAlive()
	})
}

// R1: a request that looked just before a refresh landed neither starts another
// one nor is refused.
func TestR1LateJoin(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(forcedPause + time.Second)
		if f := w.join(protocol.Query{ServerURL: protocol.DefaultServer}); f != nil {
			t.Fatal("a refresh was started for a request that a fresh token satisfies")
		}
		w.settle()
		w.wantRequests(1, "a late join")
	})
}

// store proves by a refresh, keeps the account; erase revokes and deletes.
func TestStoreAndErase(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.start()
		store := func(server, user, secret string) error {
			return w.Store(protocol.Login{ServerURL: server, Username: user, Secret: protocol.Secret(secret)}, Client{})
		}
		code := func(err error) protocol.Code {
			var e *protocol.Error
			if errors.As(err, &e) {
				return e.Code
			}
			return ""
		}
		ann, _, _ := w.idp.Login("ann")
		for _, bad := range []error{
			store(protocol.DefaultServer, "Key", "id:secret"),
			store("https://registry.example.com", protocol.TokenUsername, ann),
			store(protocol.DefaultServer, protocol.TokenUsername, "no-such-token"),
			store(protocol.DefaultServer, protocol.TokenUsername, "two\nlines"),
		} {
			if bad == nil {
				t.Fatal("a wrong store was accepted")
			}
		}
		if err := store(protocol.DefaultServer, protocol.TokenUsername, ann); err != nil {
			t.Fatal(err)
		}
		w.mustGet()
		w.wantAlive()
		bob, _, _ := w.idp.Login("bob")
		if err := store(protocol.DefaultServer, protocol.TokenUsername, bob); code(err) != protocol.CodeDenied {
			t.Fatalf("store changed the account of a living login: %v", err)
		}
		w.wantAlive()
		if _, err := w.Erase(protocol.Query{ServerURL: "https://registry.example.com"}); code(err) != protocol.CodeNotFound {
			t.Fatalf("erase of a foreign host: %v", err)
		}
		w.wantAlive()
		refresh := w.inFile().Refresh
		if _, err := w.Erase(protocol.Query{ServerURL: protocol.DefaultServer}); err != nil {
			t.Fatal(err)
		}
		w.wantCode(protocol.CodeNotFound)
		if _, err := os.Stat(w.path); err == nil || w.idp.Alive(refresh) {
			t.Fatal("erase neither revoked nor deleted")
		}
		w.wantNoEntries()
	})
}

func mkfifo(path string) error { return exec.Command("mkfifo", path).Run() }
