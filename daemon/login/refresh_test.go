package login

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// R1: one refresh in flight, whoever asks.
func TestR1OneRefreshForAThousandClients(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		w.signIn("ann")
		w.start()
		<-hold.Arrived
		var group sync.WaitGroup
		secrets := make([]string, 1000)
		for i := range secrets {
			group.Go(func() {
				c, err := w.get()
				if err != nil {
					t.Error(err)
				}
				secrets[i] = string(c.Secret)
			})
		}
		// A client that leaves never cancels it.
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan error)
		go func() {
			_, err := w.ask(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
			left <- err
		}()
		w.settle()
		cancel()
		if err := <-left; err == nil {
			t.Error("a client that left got an answer")
		}
		close(hold.Release)
		group.Wait()
		for _, secret := range secrets {
			if secret != w.inFile().Access {
				t.Fatal("a client got another token than the one on disk")
			}
		}
		w.wantRequests(1, "1001 clients")
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R2: at half of the lifetime, by the timer alone.
func TestR2AheadOfTime(t *testing.T) {
	manyDays(t)
	t.Parallel()
	inBubble(t, idp.Config{Lifetime: 24 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.wantRequests(1, "a login without an access token")
		w.pass(11*time.Hour + 59*time.Minute)
		w.wantRequests(1, "before half of the lifetime")
		w.pass(2 * time.Minute)
		w.wantRequests(2, "after half of the lifetime")
		w.pass(20 * 12 * time.Hour)
		w.wantRequests(22, "ten days")
		w.wantAlive()
	})
}

// R2, and the reader: with lifetimes of 70 min and more, no reader of
// the file meets a token inside the SDK's (5 min) or the CLI's (30 min) margin.
func TestR2ReadersNeverMeetTheirMargins(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{70 * time.Minute, 2 * time.Hour, 24 * time.Hour} {
		inBubble(t, idp.Config{Lifetime: lifetime}, func(w *world) {
			w.signIn("ann")
			w.start()
			for range int(hours(34) / time.Minute) {
				w.pass(time.Minute)
				p := w.inFile()
				if left := time.Until(tokenfile.Dated(p, time.Now()).Expires); left <= 30*time.Minute {
					t.Fatalf("lifetime %v: a reader met a token with %v left", lifetime, left)
				}
			}
			w.wantAlive()
		})
	}
}

// R3: a token that somebody else has refreshed is adopted, nothing is sent.
func TestR3AdoptsAFreshForeignToken(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		w.pass(59 * time.Minute)
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		w.pass(10 * time.Minute)
		w.wantRequests(1, "the file's token is fresh")
		if got := w.mustGet(); got != access {
			t.Fatal("the foreign token was not adopted")
		}
	})
}

// R4: the place and its note stand on disk before the request leaves.
func TestR4PlaceBeforeRequest(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hold := idp.NewHold()
		w.idp.Inject(hold.Before())
		refresh := w.signIn("ann")
		w.start()
		<-hold.Arrived
		info, err := disk.Stat(journal.Path(w.path, refresh))
		if err != nil || info.Size() != tokenfile.MaxSize+64 || info.Mode().Perm() != 0o600 {
			t.Errorf("no place while the request is under way: %v, %v", info, err)
		}
		close(hold.Release)
		w.settle()
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R4: a disk that cannot keep the answer stops the refresh before the token is
// spent, and the current one is still served.
func TestR4NoPlaceNoRequest(t *testing.T) {
	manyDays(t)
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.signIn("ann")
		w.start()
		current := w.mustGet()
		unblock := blockEntry(w, w.inFile().Refresh)
		w.pass(90 * time.Minute)
		w.wantRequests(1, "nothing can be kept")
		if w.mustGet() != current {
			t.Fatal("the current token is no longer served")
		}
		w.pass(31 * time.Minute)
		w.wantCode(protocol.CodeUnavailable)
		unblock()
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
	})
}

// R4: at start an unfinished note without an answer is replayed at once,
// however fresh the access token looks.
func TestR4SettlesByReplay(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Overlap: 10 * time.Second}, func(w *world) {
		refresh, access, _ := w.idp.Login("ann")
		w.write(refresh, access)
		p, err := journal.Begin(w.path, refresh) // as a daemon killed while it waited
		if err != nil {
			t.Fatal(err)
		}
		p.Keep()
		w.start()
		w.wantRequests(1, "a note was left")
		if w.inFile().Refresh == refresh {
			t.Fatal("the file still holds the noted token")
		}
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R4: an answer that reached the disk is put in place if its parent is still
// in the file, whether or not it was already cut to size for the rename.
func TestR4SettlesFromDisk(t *testing.T) {
	for _, cut := range []bool{false, true} {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			refresh, _, _ := w.idp.Login("ann")
			w.write(refresh)
			next, access, _ := w.idp.Login("ann")
			answer := tokenfile.TokenPair{Refresh: next, Access: access}
			p, err := journal.Begin(w.path, refresh)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Record(answer); err != nil {
				t.Fatal(err)
			}
			if cut {
				p.Trim(answer)
			}
			p.Keep()
			w.start()
			if w.inFile() != answer || w.mustGet() != access {
				t.Fatalf("the answer on disk was not put in place\n%s", w.log)
			}
			w.wantRequests(0, "the answer was on disk")
			w.wantNoEntries()
		})
	}
}

// R4: a torn answer is not believed.
func TestR4TornAnswer(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh := w.signIn("ann")
		p, err := journal.Begin(w.path, refresh)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Record(tokenfile.TokenPair{Refresh: "stolen-looking", Access: "half"}); err != nil {
			t.Fatal(err)
		}
		p.Keep()
		overwrite(w, journal.Path(w.path, refresh), "X", 3)
		w.start()
		w.wantRequests(1, "torn answer")
		w.wantAlive()
	})
}

// R5: the rotated token is on disk before any client sees its access token;
// if that write fails after all, memory serves and the write is retried.
func TestR5OnDiskBeforeServed(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		refresh := w.signIn("ann")
		w.start()
		<-hold.Arrived
		os.Remove(journal.Path(w.path, refresh)) // the rename will fail
		close(hold.Release)
		w.settle()
		served := w.mustGet()
		if w.inFile().Refresh != refresh {
			t.Fatal("the write did not fail: this test shows nothing")
		}
		if err := w.Snapshot().Status().LastError; !strings.Contains(err, "could not be written") {
			t.Errorf("status says %q", err)
		}
		w.pass(2 * time.Minute)
		if w.inFile().Access != served {
			t.Fatalf("the write was not retried\n%s", w.log)
		}
		w.wantRequests(1, "nothing is sent for a write")
		w.wantAlive()
		w.wantNoEntries()
	})
}

// R6: any refresh token in a 2xx body is saved, whatever else is wrong with
// it, and one request is one request.
func TestR6OddAnswers(t *testing.T) {
	t.Parallel()
	odd := map[string]idp.Fault{
		"text/plain":    idp.Label("text/plain"),
		"text/html":     idp.Label("text/html"),
		"no id_token":   idp.Without("id_token"),
		"no expires_in": idp.Without("expires_in"),
	}
	for name, fault := range odd {
		t.Run(name, func(t *testing.T) {
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
				w.idp.Inject(fault)
				w.signIn("ann")
				w.start()
				w.mustGet()
				w.wantRequests(1, "one request")
				if w.idp.Requests()[0].Basic {
					t.Error("client authentication was tried by header")
				}
				w.wantAlive()
			})
		})
	}
	t.Run("no access_token", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.idp.Inject(idp.Without("access_token"))
			refresh := w.signIn("ann")
			w.start()
			if w.inFile().Refresh == refresh {
				t.Fatal("the refresh token of the broken answer was not saved")
			}
			w.pass(2 * time.Minute)
			w.mustGet()
			w.wantRequests(2, "the next refresh")
			w.wantAlive()
		})
	})
	t.Run("not rotated", func(t *testing.T) {
		inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
			w.idp.Inject(idp.NoRefreshToken())
			refresh := w.signIn("ann")
			w.start()
			w.mustGet()
			if w.inFile().Refresh != refresh {
				t.Fatal("the refresh token changed")
			}
			w.pass(61 * time.Minute)
			w.wantRequests(2, "the same token may be sent again: it was not spent")
			w.wantAlive()
		})
	})
}

// R4, F5: killed after the parent was remembered as used up and before the
// rename, the next start still puts the answer in place.
func TestR4SpentParentAnswerOnDisk(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		refresh, _, _ := w.idp.Login("ann")
		w.write(refresh)
		next, access, _ := w.idp.Login("ann")
		p, err := journal.Begin(w.path, refresh)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Record(tokenfile.TokenPair{Refresh: next, Access: access}); err != nil {
			t.Fatal(err)
		}
		p.Keep()
		if err := (journal.Ledger{Issuer: testIssuer}).Consume(refresh).Save(w.home); err != nil {
			t.Fatal(err)
		}
		w.start()
		if w.mustGet() != access || w.inFile().Refresh != next {
			t.Fatalf("the answer on disk was not put in place\n%s", w.log)
		}
		w.wantRequests(0, "the answer was on disk")
		w.wantNoEntries()
	})
}
