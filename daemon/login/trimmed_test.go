package login

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// An answer that was trimmed has no seal. Where its access token says nothing, falcred.json
// alone vouches for it (F6), so that this must be on the disk before: else a kill between
// the two costs the login.

// vouched says whether the next start would take what lies beside the file for an answer.
func (w *world) vouched(spent string) bool {
	w.Helper()
	known, _ := journal.Load(w.home)
	answer, whole := journal.Peek(journal.Path(w.path, spent), known)
	return whole && w.idp.Alive(answer.Refresh)
}

// R4: an answer that an earlier process has left is settled so, too.
func TestSettlingVouchesBeforeItTrims_R4(t *testing.T) {
	testkit.InWine(t, "a file that is open keeps its name when it is removed")
	inBubble(t, idp.Config{Opaque: true}, func(w *world) {
		spent := w.signIn("ann")
		w.open()
		reply := w.issuer.Refresh(w.Context(), spent, issuer.AnswerTimeout)
		if reply.Outcome != issuer.Granted {
			w.Fatal(reply.Err)
		}
		entry, err := journal.Begin(w.path, spent)
		testkit.Must(w.T, err)
		testkit.Must(w.T, entry.Record(reply.Tokens))
		entry.Keep() // and that process is killed
		tr := w.transaction()
		defer tr.end()
		os.Remove(filepath.Join(w.home, tokenfile.LockName))
		other, err := tokenfile.Acquire(w.Context(), w.home) // so that the next comparison waits
		testkit.Must(w.T, err)
		done := make(chan error, 1)
		go func() {
			_, _, err := tr.resume(w.file.Read(), w.file.Read().Pair.Refresh)
			done <- err
		}()
		w.settle()
		if !w.vouched(spent) {
			w.Error("a kill here loses the login")
		}
		other.Release()
		testkit.Must(w.T, <-done)
		if w.inFile() != reply.Tokens {
			w.Error("it is not in the file")
		}
	})
}

// R5: where falcred.json cannot be written, the answer keeps its seal.
func TestNothingIsTrimmedUnvouched_R5(t *testing.T) {
	inBubble(t, idp.Config{Opaque: true}, func(w *world) {
		spent := w.signIn("ann")
		ledger := filepath.Join(w.home, journal.LedgerName)
		w.front = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/token") {
				os.Remove(ledger)
				testkit.Must(w.T, os.MkdirAll(filepath.Join(ledger, "x"), 0o700))
				testkit.Must(w.T, os.Truncate(w.path, 0)) // a writer at work is waited for, before the rename
				w.front = nil
			}
			return false
		}
		w.start()
		w.pass(4 * time.Second)
		if w.idp.Stats().TokenRequests == 0 || !w.vouched(spent) {
			w.Error("a kill here loses the login")
		}
		w.pass(2 * time.Minute)
		w.mustGet()
		w.wantAlive()
		if w.inFile().Refresh != w.state().Tokens.Refresh {
			w.Error("it is not in the file")
		}
	})
}

// F5: what could not be written to falcred.json is written when it can be: not by the next
// rotation, which can be hours away, an old copy of the token file and a kill nearer.
func TestWrittenWhenThereIsRoom_F5(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		spent := w.signIn("ann")
		w.start()
		ledger := filepath.Join(w.home, journal.LedgerName)
		w.front = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/token") {
				os.Remove(ledger)
				testkit.Must(w.T, os.MkdirAll(filepath.Join(ledger, "x"), 0o700))
			}
			return false
		}
		w.refresh(w.mustGet())
		w.front = nil
		told := func() bool { return strings.Contains(fmt.Sprint(w.Snapshot().Status().Warnings), "cannot be written") }
		if !told() {
			w.Error("nobody is told")
		}
		w.pass(2 * time.Minute)
		known, err := journal.Load(w.home)
		if err != nil || !known.Consumed(spent) || !known.IsTip(w.inFile().Refresh) {
			w.Errorf("%+v, %v", known, err)
		}
		if told() {
			w.Error("it is well, and told")
		}
	})
}
