package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// A row breaks the issuer a minute before the refresh is due, looks once a
// minute at what is served, mends the issuer, and looks at the login. Lifetimes
// are four hours: an hour of any fault falls into the second half of a token.
const (
	faultLifetime = 4 * time.Hour
	beforeDue     = faultLifetime/2 - time.Minute
	// aStorm is an hour from the refresh that meets it on.
	aStorm = time.Hour + time.Minute
	// aMoment is how long a row looks that breaks a few requests only.
	aMoment = 10 * time.Minute
)

// span is how often something may happen. The pauses are jittered (R7).
type span struct{ least, most int }

func exactly(n int) span { return span{n, n} }

func (s span) holds(n int) bool { return s.least <= n && n <= s.most }

// issuerFault is one row.
type issuerFault struct {
	what    string
	overlap time.Duration
	breaks  func(w *world)
	lasts   time.Duration // 0: aMoment, and no word of it in the report
	mended  time.Duration // until the login must be well again; 0: two minutes

	sent      span         // token requests, from the fault on
	refreshed span         // of these, accepted by the issuer; zero: one
	served    string       // what a get was answered meanwhile
	dead      bool         // DESIGN says that nothing can be done
	look      func(*world) // what else the row is about
	memory    uint64       // most bytes to be allocated, 0: not looked at
}

// inject is a row's fault on the next n refreshes.
func inject(n int, f idp.Fault) func(*world) {
	return func(w *world) {
		for range n {
			w.idp.Inject(f)
		}
	}
}

// always is a fault on every refresh until it is mended.
func always(f idp.Fault) func(*world) { return func(w *world) { w.idp.SetFault(&f) } }

// run returns the row of the table: what was broken, and what came of it.
func (f issuerFault) run(w *world) (row [2]string) {
	w.signIn("ann")
	w.start()
	w.pass(beforeDue)
	old, before := w.mustGet(), w.idp.Stats()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)

	f.breaks(w)
	lasts := orDefault(f.lasts, aMoment)
	served := w.servedFor(lasts, old)
	w.idp.SetFault(nil)
	w.net.Set(nil, false)
	w.pass(orDefault(f.mended, 2*time.Minute))

	runtime.ReadMemStats(&end)
	now := w.idp.Stats()
	sent, refreshed := now.TokenRequests-before.TokenRequests, now.Refreshes-before.Refreshes
	want := f.refreshed
	if want == (span{}) && !f.dead {
		want = exactly(1)
	}
	if !f.sent.holds(sent) || !want.holds(refreshed) {
		w.Errorf("%d requests, want %v; %d refreshes, want %v\n%s", sent, f.sent, refreshed, want, w.log)
	}
	if served != f.served {
		w.Errorf("served meanwhile: %q, want %q\n%s", served, f.served, w.log)
	}
	if used := end.TotalAlloc - start.TotalAlloc; f.memory > 0 && used > f.memory {
		w.Errorf("%d bytes were allocated, at most %d are allowed", used, f.memory)
	}
	if n := w.strays.Load(); n != 0 {
		w.Errorf("%d requests for another host (R13)", n)
	}
	if f.look != nil {
		f.look(w)
	}
	ended := f.end(w, old)
	if f.lasts != 0 {
		f.what += ", for " + plainTime(f.lasts)
	}
	return [2]string{f.what, fmt.Sprintf("%d requests, %d refreshes, %d reuse detections; served meanwhile: %s; %s",
		sent, refreshed, now.ReuseDetections, served, ended)}
}

// end is the login when all is over.
func (f issuerFault) end(w *world, old string) string {
	if f.dead {
		file := w.inFile()
		w.pass(faultLifetime)
		w.wantCode(protocol.CodeLoginRequired)
		if w.inFile() != file {
			w.Error("the file of a dead login was touched (R8)")
		}
		return "login lost, as it must be; login_required"
	}
	bearer := w.mustGet()
	if bearer == old || bearer != w.inFile().Access || !w.accepts(bearer) {
		w.Errorf("what is served is not the new, valid token on disk\n%s", w.log)
	}
	w.wantAlive()
	w.wantNoEntries()
	return "login alive"
}

// servedFor says what a get was answered in that time, asked once a minute.
func (w *world) servedFor(d time.Duration, old string) string {
	var list []string
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.pass(time.Minute / 2) // once before the refresh is due
		answer := "a new token"
		switch c, err := w.get(); {
		case err != nil:
			answer = string(codeOf(err))
		case !w.accepts(string(c.Secret)):
			answer = "a token that is not valid"
		case string(c.Secret) == old:
			answer = "the old token"
		}
		if len(list) == 0 || list[len(list)-1] != answer {
			list = append(list, answer)
		}
		w.pass(time.Minute / 2)
	}
	return strings.Join(list, ", then ")
}

func codeOf(err error) protocol.Code {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return "an error without a code"
}

// accepts asks the issuer itself, past whatever is wrong with the network.
func (w *world) accepts(bearer string) bool {
	r := httptest.NewRequest(http.MethodGet, testIssuer+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	answer := httptest.NewRecorder()
	w.idp.ServeHTTP(answer, r)
	return answer.Code == http.StatusOK
}

func orDefault(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

// plainTime leaves out the zeros of "24h0m0s".
func plainTime(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func TestFaultIssuer(t *testing.T) {
	manyDays(t)
	faults := issuerFaults()
	rows := make([][2]string, len(faults)) // they end as they like, and are told in order
	t.Cleanup(func() {
		for _, row := range rows {
			if row[0] != "" {
				report(t, "issuer", row[0], row[1])
			}
		}
	})
	for i, f := range faults {
		t.Run(f.what, func(t *testing.T) {
			if f.memory == 0 { // else what others allocate would be counted
				t.Parallel()
			}
			inBubble(t, idp.Config{Lifetime: faultLifetime, Overlap: f.overlap}, func(w *world) { rows[i] = f.run(w) })
		})
	}
}
