package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/tokenfile"
	"golang.org/x/oauth2"
)

// Outcome is what one token request did to the refresh token.
type Outcome int

const (
	Granted  Outcome = iota // the issuer sent at least a new token
	Unsent                  // no connection: it was not used
	Lost                    // sent, and no usable answer: it may be used up
	Broken                  // 5xx: the same, but the issuer is up and unwell
	Rejected                // invalid_grant: the issuer does not accept it any more
	Refused                 // another OAuth error: it was not used up
	Busy                    // 429: it was not used up
)

// Reply is the answer to one token request.
type Reply struct {
	Outcome Outcome
	// Tokens are what was granted. The access token may be missing, in an answer that
	// was odd or cut. Of an issuer that does not rotate, the refresh token is the one
	// that was sent.
	Tokens     tokenfile.TokenPair
	IDToken    IDToken       // zero where there was none
	Lifetime   time.Duration // the access token's (expires_in); 0: it was not said
	RetryAfter time.Duration // how long the issuer wants to be left alone, an hour at most
	Err        error         // why nothing was granted, in words that are ours
}

// AnswerTimeout and ReplayTimeout are how long an answer may take, from the connection to
// its last byte: the first time, and for the one replay of a request whose answer was lost,
// which counts its connection too. With httpx.ConnectTimeout they make tokenfile.HoldMax,
// the longest that the lock is held.
const (
	AnswerTimeout = 7 * time.Second
	ReplayTimeout = 6 * time.Second
)

// maxReply caps a token reply; the largest real one is a few KiB.
const maxReply = 1 << 20

// Refresh sends a refresh token once (RFC 6749 §6), and says what came of it. It
// never sends a second request. A connection may take httpx.ConnectTimeout, and
// limit is the most time from there to the last byte of the answer; what may take longer
// before, Ready does, and where the endpoints are not known yet, a Discover. A ctx that ends after the
// request was sent leaves Lost.
func (p *Provider) Refresh(ctx context.Context, refresh string, limit time.Duration) Reply {
	e, err := p.Discover(ctx)
	if err != nil {
		return Reply{Outcome: Unsent, Err: err}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	deadline := time.AfterFunc(httpx.ConnectTimeout, func() { cancel(httpx.ErrConnectSlow) })
	defer func() { deadline.Stop() }()
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		sent = true
		deadline.Stop()
		deadline = time.AfterFunc(limit, func() { cancel(httpx.ErrAnswerSlow) })
	}})
	answer := &recorder{next: p.client.Transport}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, httpx.Client(answer))
	token, err := p.oauth2(e.Token).TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if cause := context.Cause(ctx); cause != nil && err != nil && answer.status == 0 {
		err = fmt.Errorf("%w: %w", cause, err) // and what it was waiting for
	}
	r := answer.judge(token, err, sent)
	if r.Outcome == Granted && r.Tokens.Refresh == "" {
		r.Tokens.Refresh = refresh // an issuer that does not rotate
	}
	return r
}

// recorder keeps the bytes of the answer: x/oauth2 drops a reply that lacks
// an access token or carries the wrong label, and a refresh token in it would
// be lost with it (R6).
type recorder struct {
	next   http.RoundTripper
	status int // 0: no answer
	header http.Header
	body   []byte
	whole  bool // the body came to its end
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.status = 0
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r.status, r.header = resp.StatusCode, resp.Header
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply)) // what arrived counts, however it ended
	r.whole = err == nil && len(r.body) < maxReply
	resp.Body = io.NopCloser(bytes.NewReader(r.body))
	return resp, nil
}

// judge goes by the bytes first and by x/oauth2's opinion second.
func (r *recorder) judge(token *oauth2.Token, err error, sent bool) Reply {
	switch {
	case r.status == 0 && !sent:
		return Reply{Outcome: Unsent, Err: fmt.Errorf("the issuer cannot be reached: %s", httpx.Describe(err))}
	case r.status == 0:
		return Reply{Outcome: Lost, Err: fmt.Errorf("the issuer's answer was lost: %s", httpx.Describe(err))}
	case r.status >= 200 && r.status < 300:
		return r.grant(token)
	}
	return r.failure()
}

func (r *recorder) grant(token *oauth2.Token) Reply {
	m, whole := scanObject(r.body)
	g := Reply{Outcome: Granted, Tokens: tokenfile.TokenPair{Refresh: m["refresh_token"], Access: m["access_token"]}}
	if raw := m["id_token"]; raw != "" {
		g.IDToken = parseIDToken(raw, time.Now())
	}
	if !r.whole {
		token = nil // of an answer in a form it knows not that the end is missing
	}
	if token != nil { // also understands form-encoded answers
		g.Tokens.Access = token.AccessToken
		if g.Tokens.Refresh == "" {
			g.Tokens.Refresh = token.RefreshToken
		}
	}
	if seconds, err := strconv.ParseFloat(m["expires_in"], 64); err == nil && seconds > 0 && seconds < 1<<31 {
		g.Lifetime = time.Duration(seconds * float64(time.Second))
	}
	if !tokenfile.Printable(g.Tokens.Access) || len(g.Tokens.Bytes()) > tokenfile.MaxSize {
		g.Tokens.Access = "" // R6: the refresh token counts, whatever is wrong with the rest
	}
	if !tokenfile.Printable(g.Tokens.Refresh) || len(g.Tokens.Bytes()) > tokenfile.MaxSize {
		return Reply{Outcome: Lost, Err: errors.New("the issuer's answer holds no usable token")}
	}
	if g.Tokens.Refresh == "" && (g.Tokens.Access == "" || !whole && token == nil) {
		// Without a refresh token a whole answer means that the issuer does
		// not rotate; one that was cut may have lost exactly that.
		return Reply{Outcome: Lost, Err: errors.New("the issuer's answer was cut off, or holds no token")}
	}
	return g
}

// failure reads an answer that grants nothing (RFC 6749 §5.2). Only the error
// code is taken from it, never its text (R12).
func (r *recorder) failure() Reply {
	members, _ := scanObject(r.body)
	code := members["error"]
	f := Reply{RetryAfter: retryAfter(r.header, time.Now())}
	switch {
	case r.status == http.StatusTooManyRequests:
		f.Outcome, f.Err = Busy, errors.New("the issuer asks falcred to slow down (status 429)")
	case r.status >= 500:
		// A gateway that gave up says nothing about what happened behind it.
		f.Outcome, f.Err = Broken, fmt.Errorf("the issuer answers with status %d", r.status)
	case r.status >= 300 && r.status < 400:
		f.Outcome, f.Err = Refused, fmt.Errorf("the issuer redirects the refresh (status %d); redirects are not followed", r.status)
	case code == "invalid_grant":
		f.Outcome, f.Err = Rejected, errors.New("the issuer does not accept the refresh token (invalid_grant)")
	default:
		f.Outcome, f.Err = Refused, fmt.Errorf("the issuer refuses the refresh: status %d%s", r.status, printable(code))
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
