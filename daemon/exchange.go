package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// outcome is what one token request did to the refresh token.
type outcome int

const (
	granted  outcome = iota // the issuer sent at least a new token
	unsent                  // no connection: nothing is spent
	lost                    // sent, and no usable answer: it may be spent
	broken                  // 5xx: the same, but the issuer is up and unwell
	rejected                // invalid_grant: it is dead (R8)
	refused                 // another OAuth error: it is not spent (R8)
	busy                    // 429: it is not spent
)

// reply is the answer to one token request.
type reply struct {
	outcome    outcome
	pair       pair // access may be missing in a broken answer
	idToken    string
	lifetime   time.Duration
	retryAfter time.Duration
	err        error // ours, in words free of secrets (R12)
}

// R7's bounds: 4 s to connect, while nothing is spent yet; 7 s for an answer
// to the first request, 6 s in all for the one replay. 4 + 7 + 6 = holdMax.
const (
	connectTimeout = 4 * time.Second
	grantTimeout   = 7 * time.Second
	replayTimeout  = 6 * time.Second
)

// maxReply caps a token reply; the largest real one is a few KiB.
const maxReply = 1 << 20

var (
	errConnectSlow = errors.New("no connection within 4 s")
	errAnswerSlow  = errors.New("no answer in time")
)

// exchange sends refresh once (R6) and says what came of it. answer bounds
// the time from the connection to the last byte of the answer.
func (i *issuer) exchange(ctx context.Context, refresh string, answer time.Duration) reply {
	e, err := i.discover(ctx)
	if err != nil {
		return reply{outcome: unsent, err: err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	deadline := time.AfterFunc(connectTimeout, func() { cancel(errConnectSlow) })
	defer deadline.Stop()
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		sent = true
		deadline.Stop()
		deadline = time.AfterFunc(answer, func() { cancel(errAnswerSlow) })
	}})
	tape := &recorder{next: i.client.Transport}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: tape, CheckRedirect: i.client.CheckRedirect})
	token, err := i.oauth2(e.token).TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if cause := context.Cause(ctx); cause != nil && err != nil && tape.status == 0 {
		err = cause
	}
	r := tape.judge(token, err, sent)
	if r.outcome == granted && r.pair.refresh == "" {
		r.pair.refresh = refresh // an issuer that does not rotate
	}
	return r
}

// recorder keeps the bytes of the answer: x/oauth2 drops a reply that lacks
// an access token or carries the wrong label, and a refresh token in it would
// be lost with it (R6).
type recorder struct {
	next   http.RoundTripper
	status int
	header http.Header
	body   []byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.status = 0
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r.status, r.header = resp.StatusCode, resp.Header
	r.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxReply)) // what arrived; judge sees whether it is whole
	resp.Body = io.NopCloser(bytes.NewReader(r.body))
	return resp, nil
}

// judge looks at the bytes first and at x/oauth2's opinion second.
func (r *recorder) judge(token *oauth2.Token, err error, sent bool) reply {
	switch {
	case r.status == 0 && !sent:
		return reply{outcome: unsent, err: fmt.Errorf("the issuer cannot be reached: %s", plain(err))}
	case r.status == 0:
		return reply{outcome: lost, err: fmt.Errorf("the issuer's answer was lost: %s", plain(err))}
	case r.status >= 200 && r.status < 300:
		return r.grant(token)
	}
	return r.failure()
}

func (r *recorder) grant(token *oauth2.Token) reply {
	m, whole := scanObject(r.body)
	g := reply{outcome: granted, pair: pair{refresh: m["refresh_token"], access: m["access_token"]}, idToken: m["id_token"]}
	if token != nil { // also understands form-encoded answers
		g.pair.access = token.AccessToken
		if g.pair.refresh == "" {
			g.pair.refresh = token.RefreshToken
		}
	}
	if seconds, err := strconv.ParseFloat(m["expires_in"], 64); err == nil && seconds > 0 && seconds < 1<<31 {
		g.lifetime = time.Duration(seconds * float64(time.Second))
	}
	if !visible(g.pair.access) || len(g.pair.format()) > maxTokenFile {
		g.pair.access = "" // R6: the refresh token counts, whatever is wrong with the rest
	}
	if !visible(g.pair.refresh) || len(g.pair.format()) > maxTokenFile {
		return reply{outcome: lost, err: errors.New("the issuer's answer holds no usable token")}
	}
	if g.pair.refresh == "" && (g.pair.access == "" || !whole && token == nil) {
		// Without a refresh token a whole answer means that the issuer does
		// not rotate; one that was cut may have lost exactly that.
		return reply{outcome: lost, err: errors.New("the issuer's answer was cut, or holds no token")}
	}
	return g
}

// failure reads an answer that grants nothing (RFC 6749 §5.2). Only the error
// code is taken from it, never its text (R12).
func (r *recorder) failure() reply {
	members, _ := scanObject(r.body)
	code := members["error"]
	f := reply{retryAfter: retryAfter(r.header, time.Now())}
	switch {
	case r.status == http.StatusTooManyRequests:
		f.outcome, f.err = busy, errors.New("the issuer asks for a pause (status 429)")
	case r.status >= 500:
		// A gateway that gave up says nothing about what happened behind it.
		f.outcome, f.err = broken, fmt.Errorf("the issuer answers with status %d", r.status)
	case r.status >= 300 && r.status < 400:
		f.outcome, f.err = refused, fmt.Errorf("the issuer redirects the refresh (status %d), which is not followed", r.status)
	case code == "invalid_grant":
		f.outcome, f.err = rejected, errors.New("the issuer does not accept the refresh token (invalid_grant)")
	default:
		f.outcome, f.err = refused, fmt.Errorf("the issuer refuses the refresh: status %d%s", r.status, printable(code))
	}
	return f
}

// scanObject collects the members of a JSON object that a token reply is made
// of, as far as it goes: in an answer that was cut, what arrived whole is still
// good.
func scanObject(body []byte) (members map[string]string, whole bool) {
	members = map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return members, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return members, false
		}
		var value any
		if dec.Decode(&value) != nil {
			return members, false
		}
		name, _ := key.(string)
		switch v := value.(type) {
		case string:
			members[name] = v
		case json.Number:
			if name == "expires_in" { // a token is a string: "2" is not what 2 meant
				members[name] = v.String()
			}
		}
	}
	_, err := dec.Token() // the closing brace
	return members, err == nil
}

// maxRetryAfter is the longest pause that an issuer may ask for (R7).
const maxRetryAfter = time.Hour

// retryAfter reads the header of RFC 9110 §10.2.3: seconds, or a date. The seconds
// may be more than an int of this machine holds.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(value, 10, 64) // the largest there is, if it is larger
		limit := uint64(maxRetryAfter / time.Second)
		return time.Duration(min(seconds, limit)) * time.Second // #nosec G115 -- an hour's
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// printable admits an OAuth error code and nothing else (R12).
func printable(code string) string {
	if code == "" || len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return " (" + code + ")"
}

func newForm(ctx context.Context, address string, form url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}
