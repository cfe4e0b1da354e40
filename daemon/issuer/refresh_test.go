package issuer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"golang.org/x/oauth2"
)

// R6, R7, R8: whatever becomes of a refresh, it is one request, and no redirect is followed
// (R13); what it did to the token is told from the answer, and no error has a word of that
// (R12).
func TestRefresh_R6R7R8(t *testing.T) {
	body := func(status int, contentType, text string) idp.Fault {
		f := idp.HTML(status)
		f.Header = http.Header{"Content-Type": {contentType}}
		f.Body, f.NoCommit = []byte(text), false
		return f
	}
	json := func(text string) idp.Fault { return body(200, "application/json", text) }
	cut := func(f idp.Fault) idp.Fault {
		f.Delivery = idp.Half
		return f
	}
	const noToken = "the issuer's answer holds no usable token"
	const wasCut = "the issuer's answer was cut off, or holds no token"
	const between = "something between this machine and the issuer answers: status "
	const either = "the issuer, or a gateway before it, answers with status "
	const slowDown = "the issuer, or a gateway before it, asks falcred to slow down (status 429)"
	const rejected = "the issuer does not accept the refresh token (invalid_grant)"
	retryAfter := func(f idp.Fault, value string) idp.Fault {
		f.Header.Set("Retry-After", value)
		return f
	}
	type row struct {
		what    string
		fault   idp.Fault
		outcome Outcome
		pair    string // new: both tokens of the answer; old: the one that was sent, and a new access token
		err     string
		after   time.Duration
		pause   time.Duration
	}
	rows := []row{
		{what: "all is well", pair: "new"},
		{what: "JSON labelled as text/plain", fault: idp.Label("text/plain"), pair: "new"},
		{what: "JSON labelled as a form", fault: idp.Label("application/x-www-form-urlencoded"), pair: "new"},
		{what: "100 MB after the tokens", fault: idp.Huge(100 << 20), pair: "new"},
		{what: "100 MB before the tokens", fault: idp.HugeFirst(100 << 20), outcome: Lost, err: wasCut},
		{what: "an issuer that does not rotate", fault: idp.NoRefreshToken(), pair: "old"},
		{what: "no access token", fault: json(`{"refresh_token":"r"}`), pair: "r"},
		{what: "an access token of two words", fault: json(`{"refresh_token":"r","access_token":"a b"}`), pair: "r"},
		{what: "an access token that fits no file", fault: json(`{"refresh_token":"r","access_token":"` + strings.Repeat("a", tokenfile.MaxSize) + `"}`), pair: "r"},
		{what: "an access token that is none, and then the tokens", fault: json(`{"access_token":5,"refresh_token":"r","access_token":"a"}`), pair: "r\na"},
		{what: "an answer that ends too soon, after the tokens", fault: json(`{"refresh_token":"r","access_token":"a"`), pair: "r\na"},
		{what: "an answer that ends too soon, before the refresh token", fault: json(`{"access_token":"a","refresh_tok`), outcome: Lost, err: wasCut},
		{what: "a form", fault: body(200, "application/x-www-form-urlencoded", "access_token=a&refresh_token=r&expires_in=60"), pair: "r\na"},
		{what: "half a form", fault: cut(body(200, "application/x-www-form-urlencoded", "access_token=a&scope=openid&refresh_token=r")), outcome: Lost, err: wasCut},
		{what: "tokens after a byte order mark", fault: json("\ufeff" + `{"refresh_token":"r","access_token":"a"}`), pair: "r\na"},
		{what: "an error after a byte order mark", fault: body(400, "application/json", "\ufeff"+`{"error":"invalid_grant"}`), outcome: Rejected, err: rejected},
		{what: "a refresh token of two words", fault: json(`{"refresh_token":"a secret","access_token":"a"}`), outcome: Lost, err: noToken},
		{what: "tokens that are numbers", fault: json(`{"access_token":1,"refresh_token":2}`), outcome: Lost, err: between + "200, application/json"},
		{what: "null", fault: json(`null`), outcome: Lost, err: between + "200, application/json"},
		{what: "nothing", fault: json(``), outcome: Lost, err: between + "200, application/json"},
		{what: "an answer that is none", fault: json(`{"ok":true}`), outcome: Lost, err: between + "200, application/json"},
		{what: "a captive portal", fault: idp.HTML(200), outcome: Lost, err: between + "200, text/html"},
		{what: "a captive portal's 204", fault: body(204, "text/html", ""), outcome: Lost, err: between + "204, text/html"},
		{what: "a captive portal that asks for a pause", fault: retryAfter(idp.HTML(200), "300"), outcome: Lost, err: between + "200, text/html", pause: 5 * time.Minute},
		{what: "a page before the tokens", fault: body(200, "text/html", `<p>Welcome</p>{"refresh_token":"r","access_token":"a"}`), outcome: Lost, err: between + "200, text/html"},
		{what: "an error beside the tokens", fault: json(`{"error":"invalid_grant","refresh_token":"r","access_token":"a"}`), pair: "r\na"},
		{what: "an error beside an access token", fault: json(`{"error":"invalid_grant","access_token":"a"}`), outcome: Rejected, err: rejected},
		{what: "closed before the commit", fault: idp.Refuse(), outcome: Lost, err: "the issuer's answer was lost: the connection was closed"},
		{what: "closed after the commit", fault: idp.Lose(), outcome: Lost, err: "the issuer's answer was lost: the connection was closed"},
		{what: "cut in the middle", fault: idp.Cut(), outcome: Lost, err: wasCut},
		{what: "no answer", fault: idp.HangAfter(), outcome: Lost, err: "the issuer's answer was lost: no answer in time", after: AnswerTimeout},
		{what: "byte by byte, in time", fault: idp.Slow(time.Millisecond), pair: "new"},
		{what: "byte by byte, too slow", fault: idp.Slow(10 * time.Millisecond), outcome: Lost, err: wasCut, after: AnswerTimeout},
		{what: "500", fault: idp.Status(500), outcome: Broken, err: either + "500, text/plain"},
		{what: "503 after the commit", fault: idp.StatusAfter(503), outcome: Broken, err: either + "503, text/plain"},
		{what: "502, a page", fault: idp.HTML(502), outcome: Broken, err: either + "502, text/html"},
		{what: "503, and for how long", fault: retryAfter(idp.HTML(503), "300"), outcome: Broken, err: either + "503, text/html", pause: 5 * time.Minute},
		{what: "403 of a gateway, and for how long", fault: retryAfter(idp.HTML(403), "9999999999"), outcome: Broken, err: between + "403, text/html", pause: time.Hour},
		{what: "429", fault: idp.TooMany(""), outcome: Busy, err: slowDown},
		{what: "429, and for how long", fault: idp.TooMany("300"), outcome: Busy, err: slowDown, pause: 5 * time.Minute},
		{what: "429, a page", fault: idp.HTML(429), outcome: Busy, err: slowDown},
		{what: "an issuer that passes", fault: idp.OAuthError(400, "temporarily_unavailable"), outcome: Busy, err: "the issuer refuses: status 400 (temporarily_unavailable)"},
		{what: "an issuer that failed", fault: idp.OAuthError(400, "server_error"), outcome: Broken, err: "the issuer refuses: status 400 (server_error)"},
		{what: "invalid_grant", fault: idp.OAuthError(403, "invalid_grant"), outcome: Rejected, err: rejected},
		{what: "invalid_grant, with status 200", fault: idp.OAuthError(200, "invalid_grant"), outcome: Rejected, err: rejected},
		{what: "invalid_grant, with a status of no issuer", fault: idp.OAuthError(404, "invalid_grant"), outcome: Broken, err: between + "404, application/json"},
		{what: "a client that is not known", fault: idp.OAuthError(401, "invalid_client"), outcome: Refused, err: "the issuer refuses the refresh: status 401 (invalid_client)"},
		{what: "the same, with status 200", fault: idp.OAuthError(200, "invalid_client"), outcome: Refused, err: "the issuer refuses the refresh: status 200 (invalid_client)"},
		{what: "dex's word for it", fault: idp.OAuthError(400, "invalid_request"), outcome: Refused, err: "the issuer refuses the refresh: status 400 (invalid_request)"},
		{what: "an error that is no code", fault: idp.OAuthError(400, "a secret"), outcome: Broken, err: between + "400, application/json"},
		{what: "a gateway's error", fault: idp.OAuthError(403, "Forbidden"), outcome: Broken, err: between + "403, application/json"},
	}
	for _, code := range []int{301, 302, 307, 308} { // R13
		rows = append(rows, row{what: fmt.Sprintf("a redirect, %d", code), fault: idp.Redirect(code, "http://other.test/"), outcome: Broken,
			err: fmt.Sprintf("%s%d, text/plain", between, code)})
	}
	for _, code := range []int{400, 401, 403, 404, 405, 407, 408, 421, 451} {
		rows = append(rows, row{what: fmt.Sprintf("a page, %d", code), fault: idp.HTML(code), outcome: Broken, err: fmt.Sprintf("%s%d, text/html", between, code)})
	}
	for _, c := range rows {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(b *bubble) {
				b.mustDiscover()
				refresh, _, _ := b.idp.Login("ann")
				b.idp.Inject(c.fault)
				begun := time.Now()
				r := b.Refresh(b.Context(), refresh, AnswerTimeout)
				if took := time.Since(begun); c.after != 0 && took != c.after || took > AnswerTimeout {
					t.Errorf("it took %v", took)
				}
				if n := b.idp.Stats().TokenRequests; n != 1 {
					t.Errorf("%d requests", n)
				}
				if q := b.idp.Requests()[0]; q.Grant != "refresh_token" || q.Basic {
					t.Errorf("it asked by %q, by the Basic header: %v", q.Grant, q.Basic)
				}
				if r.Outcome != c.outcome || r.Said.RetryAfter != c.pause || fmt.Sprint(r.Err) != orNil(c.err) {
					t.Errorf("outcome %d, pause %v, %v; want %d, %v, %s", r.Outcome, r.Said.RetryAfter, r.Err, c.outcome, c.pause, orNil(c.err))
				}
				switch got := r.Tokens; c.pair {
				case "new":
					if got.Refresh == refresh || !b.idp.Alive(got.Refresh) || got.Access == "" || r.Lifetime != 2*time.Hour || r.IDToken.Subject != "ann" {
						t.Errorf("the tokens that came were not understood: for %v, of %q", r.Lifetime, r.IDToken.Subject)
					}
				case "old":
					if got.Refresh != refresh || got.Access == "" {
						t.Error("the token that was sent is not the one to go on with")
					}
				default:
					if string(got.Bytes()) != c.pair {
						t.Errorf("%q, want %q", got.Bytes(), c.pair)
					}
				}
			})
		})
	}
}

func orNil(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

// R7: without a connection nothing was sent, and 4 s bound the try; so it is before the
// endpoints are known.
func TestRefreshUnsent_R7(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		try := func(what string, limit time.Duration, want string) {
			b.Helper()
			begun := time.Now()
			r := b.Refresh(b.Context(), "r", AnswerTimeout)
			if took := time.Since(begun); r.Outcome != Unsent || fmt.Sprint(r.Err) != want || took != limit {
				t.Errorf("%s: outcome %d, %v after %v", what, r.Outcome, r.Err, took)
			}
		}
		b.net.Set(testkit.ErrNetDown, false)
		try("no discovery", 0, "discovery at "+testIssuer+" failed: the answer was not understood")
		b.net.Set(nil, true)
		try("slow discovery", httpx.SideTimeout, "discovery at "+testIssuer+" failed: no answer in time")
		b.net.Set(nil, false)
		b.mustDiscover()
		b.net.Set(testkit.ErrNetDown, false)
		try("network down", 0, "the issuer cannot be reached: the answer was not understood")
		b.net.Set(nil, true)
		try("packets dropped", httpx.ConnectTimeout, "the issuer cannot be reached: no connection within 4 s")
		if n := b.idp.Stats().TokenRequests; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// R7: the limit counts from the connection, and a context that ends after it leaves a
// token that may be used up.
func TestRefreshLimit_R7(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		b.mustDiscover()
		hang := idp.HangBefore()
		b.idp.SetFault(&hang)
		refresh, _, _ := b.idp.Login("ann")
		begun := time.Now()
		if r := b.Refresh(b.Context(), refresh, 2*time.Second); r.Outcome != Lost || time.Since(begun) != 2*time.Second {
			t.Errorf("outcome %d after %v", r.Outcome, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		begun = time.Now()
		if r := b.Refresh(ctx, refresh, AnswerTimeout); r.Outcome != Lost || time.Since(begun) != time.Second {
			t.Errorf("a context that ended: outcome %d after %v", r.Outcome, time.Since(begun))
		}
		b.idp.SetFault(nil)
		if r := b.Refresh(b.Context(), refresh, ReplayTimeout); r.Outcome != Granted {
			t.Errorf("afterwards: outcome %d, %v", r.Outcome, r.Err)
		}
		if held := httpx.ConnectTimeout + AnswerTimeout + ReplayTimeout; held != tokenfile.HoldMax {
			t.Errorf("a refresh and its replay hold the lock for %v", held)
		}
	})
}

// R8: a token that is dead is told from an issuer's other moods.
func TestRefreshOfADeadLogin_R8(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		refresh, _, _ := b.idp.Login("ann")
		b.idp.RevokeFamily(refresh)
		if r := b.Refresh(b.Context(), refresh, AnswerTimeout); r.Outcome != Rejected || r.Tokens != (tokenfile.TokenPair{}) {
			t.Errorf("outcome %d, %v", r.Outcome, r.Err)
		}
	})
}

// R12: nothing that comes of an answer prints a token.
func TestReplyHidesItsTokens_R12(t *testing.T) {
	inBubble(t, idp.Config{}, func(b *bubble) {
		refresh, access, raw := b.idp.Login("ann")
		r := Reply{Tokens: tokenfile.TokenPair{Refresh: refresh, Access: access}, IDToken: parseIDToken(raw, time.Now())}
		v := b.Verify(b.Context(), r.IDToken, "")
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			for _, shown := range []any{r, &r, v, &v, PendingLogin{Reply: r, Verdict: v}, &PendingLogin{Reply: r, Verdict: v}} {
				text := fmt.Sprintf(format, shown)
				for _, secret := range []string{refresh, access, raw} {
					if strings.Contains(text, secret) {
						t.Errorf("%s of a %T has a token: %s", format, shown, text)
					}
				}
			}
		}
	})
}

// An issuer's answer, whole or cut: never a panic, and what a cut answer still
// gives, the whole one gives too.
func FuzzScanObject(f *testing.F) {
	f.Add([]byte(`{"refresh_token":"r","access_token":"a","expires_in":3600}`), 20)
	f.Add([]byte(`{"error":"invalid_grant","x":{"y":[1,2]}}`), 5)
	f.Add([]byte(`[]`), 1)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		whole, complete := scanObject(body)
		if !complete || cut < 0 || cut > len(body) {
			return
		}
		part, _ := scanObject(body[:cut])
		for name := range part {
			if _, ok := whole[name]; !ok {
				t.Fatalf("a cut answer has %q, the whole one has not", name)
			}
		}
	})
}

// R6, R12: of any answer, what is granted fits the token file, and an error is short and
// has nothing of the body but an OAuth code.
func FuzzReply_R6(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"refresh_token":"r","access_token":"a","expires_in":3600,"id_token":"a.b.c"}`), true)
	f.Add(200, "text/plain", []byte(`access_token=a&refresh_token=r`), true)
	f.Add(200, "text/plain", []byte(`access_token=a`), false)
	f.Add(403, "application/json", []byte(`{"error":"invalid_grant"}`), true)
	f.Add(429, "", []byte(`{`), true)
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte, whole bool) {
		if status < 100 || status > 999 {
			return
		}
		answer := &recorder{status: status, header: http.Header{"Retry-After": {contentType}}, body: body, whole: whole}
		var token *oauth2.Token
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("access_token") != "" {
			token = &oauth2.Token{AccessToken: form.Get("access_token"), RefreshToken: form.Get("refresh_token")}
		}
		r := answer.judge(token, nil, true)
		if r.Outcome == Granted {
			again, err := tokenfile.Parse(r.Tokens.Bytes())
			if r.Err != nil || r.Tokens.Refresh != "" && (err != nil || again != r.Tokens) || len(r.Tokens.Bytes()) > tokenfile.MaxSize {
				t.Fatalf("granted %q, %v", r.Tokens.Bytes(), r.Err)
			}
			if _, object := scanObject(body); !object && !whole && r.Tokens.Refresh == "" {
				t.Fatal("an answer that was cut was taken for that of an issuer that does not rotate")
			}
			return
		}
		if r.Err == nil || r.Tokens != (tokenfile.TokenPair{}) || len(r.Err.Error()) > 160 || r.Said.RetryAfter > time.Hour || r.Said.RetryAfter < 0 {
			t.Fatalf("outcome %d: %q, %v, %v", r.Outcome, r.Tokens.Bytes(), r.Err, r.Said.RetryAfter)
		}
	})
}
