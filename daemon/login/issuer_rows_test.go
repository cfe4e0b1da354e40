package login

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// grace is an overlap that still covers a lost answer and its replays.
const grace = time.Minute

// anHour is what R7's pauses leave of a storm: 1 s, growing to 48 s, each a
// quarter more or less. A lost answer is replayed once within the same hold.
var (
	anHour        = span{55, 110}
	anHourReplays = span{80, 220}
)

func issuerFaults() []issuerFault {
	var rows []issuerFault
	for _, group := range [][]issuerFault{networkFaults(), lossFaults(), stormFaults(), bodyFaults(), trustFaults()} {
		rows = append(rows, group...)
	}
	return rows
}

// netDown is a network on which no connection comes about.
func netDown(err error) func(*world) { return func(w *world) { w.net.Set(err, false) } }

func netHang(w *world) { w.net.Set(nil, true) }

// networkFaults: nothing reaches the issuer, so nothing is used up and one
// refresh is enough once it is back (R9).
func networkFaults() []issuerFault {
	noName := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "issuer", IsNotFound: true}}
	slowName := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "issuer", IsTimeout: true}}
	rows := []issuerFault{
		{what: "down", breaks: netDown(errors.New("connection refused"))},
		{what: "packets dropped", breaks: netHang},
		{what: "DNS says no such host", breaks: netDown(noName)},
		{what: "DNS does not answer", breaks: netDown(slowName)},
	}
	for i := range rows {
		rows[i].lasts, rows[i].served = aStorm, "the old token"
	}
	for _, day := range rows[:2:2] {
		day.what += ", and back"
		day.lasts = max(24*time.Hour/oneIn, faultLifetime)
		day.served = "the old token, then unavailable"
		rows = append(rows, day)
	}
	for i := range rows {
		rows[i].sent = exactly(1)
	}
	return rows
}

// lossFaults: the issuer has committed, or may have, and its answer is lost.
// Each loss is followed by a replay, and every replay that is accepted is a
// refresh at the issuer.
func lossFaults() []issuerFault {
	rows := []issuerFault{
		{what: "hanging, nothing committed", breaks: always(idp.HangBefore()), lasts: aStorm, sent: anHourReplays, served: "the old token"},
		{what: "byte by byte, 1 ms each", breaks: inject(1, idp.Slow(time.Millisecond)), sent: exactly(1), served: "the old token, then a new token"},
		{what: "byte by byte, too slow for R7, once", overlap: grace, breaks: inject(1, idp.Slow(10*time.Millisecond)),
			sent: exactly(2), refreshed: exactly(2), served: "the old token, then a new token"},
		{what: "connection closed before commit", breaks: always(idp.Refuse()), lasts: aStorm, sent: anHourReplays, served: "the old token"},
		{what: "answer lost after commit, and no overlap", breaks: inject(1, idp.Lose()), dead: true,
			sent: exactly(2), refreshed: exactly(1), served: "the old token"},
	}
	for _, loss := range []idp.Fault{idp.Lose(), idp.Cut(), idp.HangAfter(), idp.StatusAfter(503)} {
		for n, times := range []string{"once", "twice", "three times in a row"} {
			rows = append(rows, issuerFault{
				what: strings.TrimSuffix(loss.Name, " after commit") + " after commit, " + times, overlap: grace, breaks: inject(n+1, loss),
				sent: exactly(n + 2), refreshed: exactly(n + 2), served: "the old token, then a new token",
			})
		}
	}
	return rows
}

// stormFaults: the issuer is there and unwell. What is sent is bounded.
func stormFaults() []issuerFault {
	patient := idp.Status(503)
	patient.Header.Set("Retry-After", "600")
	rows := []issuerFault{
		{what: "429 without Retry-After", breaks: always(idp.TooMany("")), sent: anHour},
		{what: "429 with Retry-After: 300", breaks: always(idp.TooMany("300")), sent: span{12, 14}, mended: 6 * time.Minute},
		{what: "503 with Retry-After: 600", breaks: always(patient), sent: span{6, 8}, mended: 11 * time.Minute},
		{what: "502 as a proxy's page", breaks: always(idp.HTML(502)), sent: anHour},
		{what: "403 as a gateway's page", breaks: always(idp.HTML(403)), sent: anHour},
	}
	for _, code := range []int{500, 503, 504} {
		rows = append(rows, issuerFault{what: strconv.Itoa(code), breaks: always(idp.Status(code)), sent: anHour})
	}
	for i := range rows {
		rows[i].what += ", storm"
		rows[i].lasts, rows[i].served = aStorm, "the old token"
	}
	return rows
}

// wrong answers 200 with that body.
func wrong(body string, committed bool) idp.Fault {
	f := idp.HTML(200)
	f.Name, f.NoCommit = "wrong body", !committed
	f.Header.Set("Content-Type", "application/json")
	f.Body = []byte(body)
	return f
}

// bodyFaults: an answer with a body that is not what was asked for (R6).
func bodyFaults() []issuerFault {
	const soon = "the old token, then a new token"
	bodies := []string{"", "null", "[]", `"token"`, `{"access_token":`, `{"ok":true}`, `{"access_token":1,"refresh_token":2}`, "{}{}", "\x00\xff", `{"refresh_token":"two words"}`}
	rows := []issuerFault{
		{what: "a captive portal's page with 200", breaks: always(idp.HTML(200)), lasts: aStorm, sent: anHourReplays, served: "the old token"},
		{what: "JSON labelled as text/plain", breaks: inject(1, idp.Label("text/plain")), sent: exactly(1), served: soon},
		{what: "JSON labelled as a form", breaks: inject(1, idp.Label("application/x-www-form-urlencoded")), sent: exactly(1), served: soon},
		{what: "100 MB after the tokens", breaks: inject(1, idp.Huge(100<<20)), sent: exactly(1), served: soon, memory: 48 << 20},
		{what: "100 MB before the tokens", overlap: grace, breaks: inject(1, idp.HugeFirst(100<<20)),
			sent: exactly(2), refreshed: exactly(2), served: soon, memory: 48 << 20},
		{what: fmt.Sprintf("wrong JSON, not committed: %d bodies in turn", len(bodies)), sent: exactly(len(bodies) + 1), served: soon,
			breaks: func(w *world) {
				for _, body := range bodies {
					w.idp.Inject(wrong(body, false))
				}
			}},
	}
	for _, body := range bodies {
		rows = append(rows, issuerFault{what: fmt.Sprintf("wrong JSON after commit: %q", body), overlap: grace,
			breaks: inject(1, wrong(body, true)), sent: exactly(2), refreshed: exactly(2), served: soon})
	}
	return rows
}

// trustFaults: redirects, keys and clocks.
func trustFaults() []issuerFault {
	var rows []issuerFault
	for _, code := range []int{301, 302, 307, 308} {
		rows = append(rows, issuerFault{what: fmt.Sprintf("redirect %d to another host", code),
			breaks: always(idp.Redirect(code, "http://other.test/oauth/token")),
			lasts:  aStorm, sent: anHour, served: "the old token"})
	}
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		rows = append(rows, issuerFault{what: "the issuer's clock is off by " + plainTime(skew), breaks: skewed(skew), lasts: 24 * time.Hour,
			sent: exactly(13), refreshed: exactly(13), served: "the old token, then a new token",
			look: func(w *world) {
				if len(w.Snapshot().Status().Warnings) == 0 {
					w.Error("no warning about the clock")
				}
			}})
	}
	return append(append(rows, keyFaults()...), rotation())
}

// keyFaults: whatever is the matter with an issuer's keys ends no login (R10).
func keyFaults() []issuerFault {
	warns := func(want bool) func(*world) {
		return func(w *world) {
			if text := strings.Join(w.Snapshot().Status().Warnings, "\n"); strings.Contains(text, "unverified") != want {
				w.Errorf("unverified is %v, and the warnings are %q", want, text)
			}
		}
	}
	config := func(change func(*idp.Config)) func(*world) {
		return func(w *world) {
			w.idp.SetConfig(change)
			w.idp.RotateKey()
		}
	}
	const soon = "the old token, then a new token"
	return []issuerFault{
		{what: "a key set without the key that signs", lasts: 24 * time.Hour, sent: exactly(13), refreshed: exactly(13), served: soon,
			look: warns(true), breaks: func(w *world) {
				w.unverifiable()
				w.idp.RotateKey()
			}},
		{what: "signatures that no key verifies", lasts: 24 * time.Hour, sent: exactly(13), refreshed: exactly(13), served: soon,
			breaks: always(idp.WrongSignature()), look: warns(false)}, // the last refresh is a good one
		{what: "ES256 from now on, beside 18 odd keys", sent: exactly(1), served: soon, look: warns(false),
			breaks: config(func(c *idp.Config) { c.Algorithm, c.OddKeys = "ES256", oddKeys })},
		{what: "the old key's name over a new key's signature", sent: exactly(1), served: soon, look: warns(false),
			breaks: config(func(c *idp.Config) { c.OldKeyID = true })},
		{what: "a key set that lags 10 s behind", sent: exactly(1), served: soon, look: warns(false),
			breaks: func(w *world) {
				w.idp.SetConfig(func(c *idp.Config) { c.KeySetLag = time.Minute + 10*time.Second }) // the refresh is due in a minute
				w.idp.RotateKey()
			}},
	}
}

// skewed is an issuer whose clock is off, in every token that it signs.
func skewed(by time.Duration) func(*world) {
	return func(w *world) {
		w.idp.SetFault(&idp.Fault{
			Name: "skewed",
			IDClaims: func(m map[string]any) {
				m["iat"] = time.Now().Add(by).Unix()
				m["exp"] = time.Now().Add(by + faultLifetime).Unix()
			},
			Mutate: func(m map[string]any) {
				m["access_token"] = w.idp.Mint("ann", time.Now().Add(by), faultLifetime)
			},
		})
	}
}

// rotation: the next ID token is signed by a key that nobody has seen yet.
func rotation() issuerFault {
	var keys *gate
	return issuerFault{
		what: "key rotation at the JWKS", sent: exactly(1), served: "the old token, then a new token",
		breaks: func(w *world) {
			keys = newGate()
			w.keys = keys
			go func() {
				<-keys.arrived
				close(keys.release)
			}()
			w.idp.RotateKey()
		},
		look: func(w *world) {
			if !keys.taken.Load() {
				w.Error("the new key was not fetched (R10)")
			}
			if warnings := w.Snapshot().Status().Warnings; len(warnings) > 0 {
				w.Errorf("the new key did not verify the ID token: %q", warnings)
			}
		},
	}
}
