package issuer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
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
	Broken                  // an answer that is not the issuer's word, or says that it failed: the same
	Rejected                // invalid_grant: the issuer does not accept it any more
	Refused                 // another OAuth error: it was not used up
	Busy                    // asked to slow down: it was not used up
)

// Reply is the answer to one token request.
type Reply struct {
	Outcome Outcome
	// Tokens are what was granted. The access token may be missing, in an answer that
	// was odd or cut. Of an issuer that does not rotate, the refresh token is the one
	// that was sent.
	Tokens   tokenfile.TokenPair
	IDToken  IDToken       // zero where there was none
	Lifetime time.Duration // the access token's (expires_in); 0: it was not said
	Asked    time.Time     // when it was asked for: the access token is not older than that
	Said     httpx.Answer  // the answer that granted nothing, zero where none came
	Err      error         // why nothing was granted, in words that are ours
}

// AnswerTimeout and ReplayTimeout are how long an answer may take, from the connection to
// its last byte: the first time, and for the one replay of a request whose answer was lost,
// which counts its connection too. With httpx.ConnectTimeout they make tokenfile.HoldMax,
// the longest that the lock is held.
const (
	AnswerTimeout = 7 * time.Second
	ReplayTimeout = 6 * time.Second
)

// maxLifetime is the longest that an access token is taken to live by expires_in: no
// issuer means more, and a number without bound would never be refreshed.
const maxLifetime = 365 * 24 * time.Hour

// Refresh sends a refresh token once (RFC 6749 §6), and says what came of it. It
// never sends a second request. A connection may take httpx.ConnectTimeout, and
// limit is the most time from there to the last byte of the answer; what may take longer
// before, Ready does, and where the endpoints are not known yet, a Discover. A ctx that ends
// after the request was sent leaves Lost.
func (p *Provider) Refresh(ctx context.Context, refresh string, limit time.Duration) Reply {
	e, err := p.endpoints(ctx)
	if err != nil {
		return NotSent(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := clock.AfterFunc(httpx.ConnectTimeout, func() { cancel(httpx.ErrConnectSlow) })
	defer func() { stop() }()
	sent, asked := false, clock.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		sent = true
		stop()
		stop = clock.AfterFunc(limit, func() { cancel(httpx.ErrAnswerSlow) })
	}})
	answer := &recorder{next: p.client.Transport, most: maxReply}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, httpx.Client(answer))
	token, err := p.oauth2(e.Token).TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if cause := context.Cause(ctx); cause != nil && err != nil && answer.status == 0 {
		err = fmt.Errorf("%w: %w", cause, err) // and what it was waiting for
	}
	if !sent || gone(answer.status) {
		p.doubt() // there may be nobody, since the issuer has moved
	}
	r := answer.judge(token, err, sent)
	r.Asked = asked
	if r.Outcome == Granted && r.Tokens.Refresh == "" {
		r.Tokens.Refresh = refresh // an issuer that does not rotate
	}
	return r
}

// NotSent is the reply where the issuer cannot even be found: why is Discover's error.
func NotSent(why error) Reply { return Reply{Outcome: Unsent, Said: httpx.Said(why), Err: why} }

// judge goes by the bytes first and by x/oauth2's opinion second.
func (r *recorder) judge(token *oauth2.Token, err error, sent bool) Reply {
	switch {
	case r.status == 0 && !sent:
		return Reply{Outcome: Unsent, Err: fmt.Errorf("the issuer cannot be reached: %s", httpx.Describe(err))}
	case r.status == 0:
		return Reply{Outcome: Lost, Err: fmt.Errorf("the issuer's answer was lost: %s", httpx.Describe(err))}
	}
	if r.status < 200 || r.status >= 300 {
		return failure(r.said())
	}
	return r.grant(token)
}

// grant reads an answer of status 2xx. A refresh token in it is one, whatever else it has (R6).
func (r *recorder) grant(token *oauth2.Token) Reply {
	m, whole := scanObject(r.body)
	said := r.said()
	if said.Code != "" && m["refresh_token"] == "" {
		return failure(said)
	}
	g := Reply{Outcome: Granted, Tokens: tokenfile.TokenPair{Refresh: m["refresh_token"], Access: m["access_token"]}}
	if raw := m["id_token"]; raw != "" {
		g.IDToken = parseIDToken(raw, clock.Now())
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
	g.Lifetime, _ = clock.Seconds(m["expires_in"], maxLifetime)
	if !tokenfile.Printable(g.Tokens.Access) || len(g.Tokens.Bytes()) > tokenfile.MaxSize {
		g.Tokens.Access = "" // R6: the refresh token counts, whatever is wrong with the rest
	}
	if !tokenfile.Printable(g.Tokens.Refresh) || len(g.Tokens.Bytes()) > tokenfile.MaxSize {
		return Reply{Outcome: Lost, Said: said, Err: errors.New("the issuer's answer holds no usable token")}
	}
	if g.Tokens.Refresh == "" && (g.Tokens.Access == "" || !whole && token == nil) {
		// Without a refresh token a whole answer means that the issuer does
		// not rotate; one that was cut may have lost exactly that.
		f := Reply{Outcome: Lost, Said: said, Err: errors.New("the issuer's answer was cut off, or holds no token")}
		if r.whole && (whole || !bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{"))) { // a page, and no reply that was cut
			f.Err = errors.New(said.By("the issuer"))
		}
		return f
	}
	return g
}

// failure is what an answer that grants nothing means for the token (R8). What answers in the
// issuer's place may have let the request through and kept back the answer, as a filter does
// that looks at answers: only who asks for patience certainly has not.
func failure(said httpx.Answer) Reply {
	f := Reply{Said: said, Err: errors.New(said.By("the issuer"))}
	switch {
	case said.Status == http.StatusTooManyRequests, said.Code == "slow_down", said.Code == "temporarily_unavailable":
		f.Outcome = Busy
	case said.Code == "", said.Code == "server_error":
		f.Outcome = Broken
	case said.Code == "invalid_grant":
		f.Outcome, f.Err = Rejected, errors.New("the issuer does not accept the refresh token (invalid_grant)")
	default:
		f.Outcome, f.Err = Refused, fmt.Errorf("the issuer refuses the refresh: status %d (%s)", said.Status, said.Code)
	}
	return f
}
