package login

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// R7: a lost answer is replayed once within the same hold of the lock.
func TestR7OneReplay(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]idp.Fault{"silent": idp.Lose(), "half": idp.Cut(), "hang": idp.HangAfter()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Minute}, func(w *world) {
				w.idp.Inject(fault)
				w.signIn("ann")
				begun := time.Now()
				w.start()
				w.pass(10 * time.Second)
				w.mustGet()
				w.wantRequests(2, "one lost, one replayed")
				if last := w.idp.Requests()[1].Time; last.Sub(begun) > httpx.ConnectTimeout+issuer.AnswerTimeout {
					t.Errorf("the replay came after %v", last.Sub(begun))
				}
				w.wantAlive()
				w.wantNoEntries()
			})
		})
	}
}

// R7: one hold of the lock lasts at most 17 s, whatever the issuer does, and
// then the pauses grow to a minute.
func TestR7HoldAndPause(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hang := idp.HangBefore()
		w.idp.SetFault(&hang)
		w.signIn("ann")
		w.start()
		w.mu.Lock()
		first := w.rotation
		w.mu.Unlock()
		begun := time.Now()
		<-first.done
		if held := time.Since(begun); held > tokenfile.HoldMax {
			t.Fatalf("the refresh held the lock for %v", held)
		}
		w.wantRequests(2, "request and replay")
		w.idp.SetFault(nil)
		broken := idp.Status(503)
		w.idp.SetFault(&broken)
		w.pass(10 * time.Minute)
		before := w.idp.Stats().TokenRequests
		w.pass(30 * time.Minute)
		if n := w.idp.Stats().TokenRequests - before; n < 25 || n > 60 {
			t.Errorf("%d requests in 30 min of outage; want about one a minute", n)
		}
		w.idp.SetFault(nil)
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R7: the pauses of one login are not those of the next. Who logs in during an outage is
// tried as soon as the first one was.
func TestR7ANewLoginHasAPauseOfItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		broken := idp.Status(503)
		w.idp.SetFault(&broken)
		w.signIn("ann")
		w.start()
		w.pass(10 * time.Minute) // the pauses have grown to a minute
		before := w.idp.Stats().TokenRequests
		w.signIn("bob")
		w.reconcile()
		w.settle()
		w.wantRequests(before+1, "it is tried at once")
		w.wantCode(protocol.CodeUnavailable)
		w.idp.SetFault(nil)
		w.pass(2 * time.Second)
		w.mustGet()
		w.wantAlive()
	})
}

// R7: without a connection nothing is used up, and 4 s bound the try.
func TestR7Connect(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.net.Set(nil, true)
		w.pass(time.Hour + time.Second)
		w.mu.Lock()
		try := w.rotation
		w.mu.Unlock()
		begun := time.Now()
		<-try.done
		if waited := time.Since(begun); waited > httpx.ConnectTimeout {
			t.Errorf("the try took %v more", waited)
		}
		w.wantNoEntries()
		w.net.Set(nil, false)
		w.pass(2 * time.Minute)
		w.wantRequests(2, "the network is back")
		w.wantAlive()
	})
}

// R7: Retry-After is honoured as it stands, and a get meanwhile answers at
// once.
func TestR7RetryAfter(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.idp.Inject(idp.TooMany("300"))
		w.signIn("ann")
		w.start()
		begun := time.Now()
		w.wantCode(protocol.CodeUnavailable)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("a get in the back-off took %v", waited)
		}
		w.pass(299 * time.Second)
		w.wantRequests(1, "before Retry-After is over")
		w.pass(2 * time.Second)
		w.wantRequests(2, "after it")
		w.mustGet()
	})
}

// R5, R7: what came after an outage and could not be put in place is tried again soon, not
// after the pause that the outage has left.
func TestWriteIsTriedSoonAfterAnOutage_R5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		const failures = 12
		for range failures {
			w.idp.Inject(idp.Status(503))
		}
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		w.signIn("ann")
		w.start()
		for w.idp.Stats().TokenRequests <= failures {
			w.pass(time.Second)
		}
		<-hold.Arrived
		if err := os.Remove(w.path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(w.path, 0o700); err != nil {
			t.Fatal(err)
		}
		close(hold.Release)
		w.settle()
		s := w.state()
		if wait := time.Until(s.Retry); s.Replaces == "" || wait > 2*time.Second {
			t.Errorf("in memory only: %t, the next try: in %v", s.Replaces != "", wait)
		}
	})
}

// R8: a dead login stops the asking, keeps the file, and ends with a new one.
func TestR8LoginRequired(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh := w.signIn("ann")
		w.idp.RevokeFamily(refresh)
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.pass(hours(48))
		w.wantRequests(1, "a dead token is not sent again")
		if w.inFile().Refresh != refresh {
			t.Fatal("the file was touched")
		}
		if hint := w.Snapshot().Status().Hint; !strings.Contains(hint, "fal auth login") {
			t.Errorf("status does not say how to log in: %q", hint)
		}
		w.signIn("ann")
		w.mustGet() // the new login is seen by the request itself
		w.wantAlive()
	})
}

// R8, F5: a foreign token that proves dead gives way to the newest unspent one
// that was received, once.
func TestR8TriesTheFallbackOnce(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		other, _, _ := w.idp.Login("ann")
		w.idp.RevokeFamily(other)
		w.write(other, w.ranOut("ann"))
		w.reconcile()
		w.mustGet()
		w.wantRequests(3, "login, the dead foreign token, the fallback")
		w.wantAlive()
	})
}

// R8: any other OAuth error keeps everything and is retried hourly (dex says
// invalid_request for a used-up token).
func TestR8OtherErrorsHourly(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		odd := idp.OAuthError(400, "invalid_request")
		w.idp.SetFault(&odd)
		w.pass(60*time.Minute + time.Second)
		w.wantRequests(2, "half of the lifetime")
		w.mustGet()
		w.pass(59 * time.Minute)
		w.wantRequests(2, "within the hour")
		w.pass(2 * time.Minute)
		w.wantRequests(3, "hourly")
		w.idp.SetFault(nil)
		w.pass(time.Hour)
		w.mustGet()
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R9: an outage is not a logout.
func TestR9Outage(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		token := w.mustGet()
		w.net.Set(testkit.ErrNetDown, false)
		w.pass(119 * time.Minute)
		if w.mustGet() != token {
			t.Fatal("a valid token is served in an outage")
		}
		w.pass(2 * time.Minute)
		w.wantCode(protocol.CodeUnavailable)
		w.pass(24 * time.Hour / oneIn) // the network away for a day
		w.wantCode(protocol.CodeUnavailable)
		w.net.Set(nil, false)
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// R10: a token whose ID token is wrong is never served, triggers no refresh,
// and its refresh token is kept; a restart changes nothing of that.
func TestR10WrongIDToken(t *testing.T) {
	manyDays(t)
	t.Parallel()
	faults := map[string]idp.Fault{
		"issuer": idp.WrongIssuer(), "audience": idp.WrongAudience(), "subject": idp.OtherSubject("eve"),
		"none": testkit.SignedBy("none", nil), "a shared secret": testkit.SignedBy("HS256", []byte("secret")),
		"no access token": idp.WrongIssuer(),
	}
	for _, name := range []string{"issuer", "audience", "subject"} {
		unsigned := faults[name]
		unsigned.Mutate = idp.WrongSignature().Mutate
		faults[name+", and no key verifies it"] = unsigned
	}
	bare := faults["no access token"]
	bare.Mutate = idp.Without("access_token").Mutate
	faults["no access token"] = bare
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.signIn("ann")
				w.start()
				good := w.mustGet()
				refresh := w.inFile().Refresh
				w.idp.Inject(fault)
				w.pass(61 * time.Minute)
				kept := w.inFile()
				if kept.Refresh == refresh || kept.Access == good {
					t.Fatal("the refresh token that came was not kept")
				}
				w.wantCode(protocol.CodeLoginRequired)
				w.pass(10 * time.Hour)
				w.wantRequests(2, "no further refresh")
				w.kill()
				w.start()
				w.wantCode(protocol.CodeLoginRequired)
				w.pass(time.Hour)
				w.wantRequests(2, "nor after a restart")
				w.signIn("bob") // another person's new login is no violation
				w.mustGet()
			})
		})
	}
}

// R10: keys that cannot be had only warn, and so does a skewed clock.
func TestR10OnlyWarns(t *testing.T) {
	manyDays(t)
	t.Parallel()
	t.Run("keys", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			hold := idp.NewHold()
			w.idp.Inject(hold.After())
			w.signIn("ann")
			w.start()
			<-hold.Arrived
			w.net.Set(testkit.ErrNetDown, false) // the reply comes, the keys do not
			close(hold.Release)
			w.pass(20 * time.Second)
			w.mustGet()
			if warnings := strings.Join(w.Snapshot().Status().Warnings, "\n"); !strings.Contains(warnings, "unverified") {
				t.Errorf("no warning: %q", warnings)
			}
			w.wantRequests(1, "keys")
		})
	})
	for _, skew := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				skewed := idp.Fault{Mutate: func(m map[string]any) {
					m["access_token"] = w.idp.Mint("ann", time.Now().Add(skew), 2*time.Hour)
				}}
				w.idp.SetFault(&skewed)
				w.signIn("ann")
				w.start()
				w.mustGet()
				w.pass(50 * time.Minute)
				w.wantRequests(1, "a wrong clock makes no storm")
				w.pass(11 * time.Minute)
				w.wantRequests(2, "half of the lifetime by our own clock")
				if len(w.Snapshot().Status().Warnings) == 0 {
					t.Error("no warning about the clock")
				}
			})
		})
	}
}

// R11: starts and serves with the network down.
func TestR11NetworkDownAtStart(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.net.Set(testkit.ErrNetDown, false)
		w.start()
		if w.mustGet() != access {
			t.Fatal("the valid token is not served")
		}
		w.pass(90 * time.Minute)
		w.mustGet()
		w.net.Set(nil, false)
		w.pass(2 * time.Minute)
		w.wantRequests(1, "discovery and refresh once the network is up")
		w.wantAlive()
	})
}

// R12: no token in the log, whatever the issuer answers, nor in an error.
func TestR12NothingLeaks(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: time.Minute}, func(w *world) {
		quoting := idp.Fault{Status: 400, Mutate: func(m map[string]any) {
			m["error"], m["error_description"] = "CANARY-CODE", "CANARY-TEXT "+w.inFile().Refresh
		}}
		faults := []idp.Fault{quoting, idp.Cut(), idp.Lose(), idp.HTML(500), idp.Label("text/html"), idp.WrongSignature()}
		var secrets []string
		for range faults {
			w.signIn("ann")
		}
		w.start()
		for _, fault := range faults {
			w.idp.Inject(fault)
			secrets = append(secrets, w.signIn("ann"))
			_, err := w.get()
			w.pass(2 * time.Minute)
			p := w.inFile()
			secrets = append(secrets, p.Refresh)
			if p.Access != "" {
				secrets = append(secrets, p.Access)
			}
			if err != nil {
				w.log.Write([]byte(err.Error()))
			}
		}
		all := w.log.String() + strings.Join(w.Snapshot().Status().Warnings, "") + w.Snapshot().Status().LastError
		for _, secret := range append(secrets, "CANARY") {
			if strings.Contains(all, secret) {
				t.Errorf("a secret is in a log or an error:\n%s", all)
			}
		}
		if data, _ := os.ReadFile(w.home + "/" + journal.LedgerName); len(data) == 0 || strings.Contains(string(data), secrets[0]) {
			t.Error("the memory file is missing or holds a token")
		}
	})
}

// R13: a refresh token goes only to its own issuer.
func TestR13OtherIssuer(t *testing.T) {
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		foreign, err := idp.New("http://127.0.0.1:1", idp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		refresh, access, _ := foreign.Login("ann")
		w.write(refresh, access)
		w.start()
		w.wantCode(protocol.CodeLoginRequired)
		w.pass(hours(24))
		w.wantRequests(0, "a login of another issuer")
		w.signIn("ann")
		w.pass(time.Minute)
		w.mustGet()
	})
}

// R13: no redirect is followed on a request that carries a credential.
func TestR13Redirects(t *testing.T) {
	t.Parallel()
	for _, code := range []int{301, 302, 307, 308} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.idp.Inject(idp.Redirect(code, "http://127.0.0.1:9999/oauth/token"))
				w.signIn("ann")
				w.start()
				w.wantCode(protocol.CodeUnavailable)
				w.wantRequests(1, "a redirect")
				w.pass(2 * time.Second)
				w.mustGet()
				w.wantAlive()
			})
		})
	}
}
