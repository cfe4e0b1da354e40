package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/internal/task"
)

// x/oauth2 polls too, and is not used for it: it forgets each slow_down when a poll is
// lost, takes no number in quotes, and ends at the first answer that is not the issuer's.

// How a device login ends by what a person did, did not do, or by what the network did.
var (
	ErrDenied  = errors.New("the login was cancelled in the browser")
	ErrExpired = errors.New("the code has expired")
	// ErrUsed is for a code that is no longer good although its time is not over, after a
	// poll whose answer was lost: that may have been the login, and a code gives one.
	ErrUsed = errors.New("the code is used up: the login was probably granted, and lost on its way here")
)

const (
	// slower is what slow_down adds to this and all subsequent intervals (RFC 8628 §3.5).
	slower = 5 * time.Second
	// maxLostPause ends the doubling of the pause after polls without an answer of the
	// issuer's (RFC 8628 §3.5), unless the interval is longer.
	maxLostPause = 30 * time.Second
)

// Wait polls until the login is confirmed (RFC 8628 §3.4). What keeps a poll from the
// issuer ends nothing: it goes on until the code runs out. problem is told what it is, once
// for each, and "" when the issuer answers again; it is called by this goroutine. Wait returns
// ErrDenied, ErrExpired or ErrUsed for these, and ctx's error where that ends; of any
// other the part after a line end is a hint.
func (d *DeviceLogin) Wait(ctx context.Context, problem func(string)) (*PendingLogin, error) {
	told, lost := "", false
	tell := func(text string) {
		if text != told {
			told = text
			problem(text)
		}
	}
	for wait := d.interval; ; {
		if err := d.pause(ctx, wait); err != nil {
			return nil, err
		}
		answer, sent, err := d.poll(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if r := answer.judge(nil, err, sent); r.Outcome == Granted {
			return d.pending(ctx, r)
		}
		said := answer.said()
		switch code := answer.word(); {
		case code == "authorization_pending":
			tell("")
			wait = max(d.interval, said.RetryAfter)
		case code == "slow_down", said.Status == http.StatusTooManyRequests:
			tell("")
			wait = d.slowDown(answer)
		case code != "" && code != "temporarily_unavailable" && code != "server_error":
			return nil, d.ended(code, said, lost)
		default:
			lost = lost || sent
			tell(unheard(said, sent, err))
			wait = max(d.interval, min(2*wait, maxLostPause), said.RetryAfter)
		}
	}
}

// pause waits between two polls. One that would end after the code gives way to a last
// poll a second before that.
func (d *DeviceLogin) pause(ctx context.Context, wait time.Duration) error {
	left := d.ends.Sub(clock.Now())
	if wait >= left {
		wait = max(d.interval, left-time.Second)
	}
	if task.Wait(min(wait, left), ctx.Done()) == 0 {
		return ctx.Err()
	}
	if wait >= left {
		return ErrExpired
	}
	return nil
}

// poll asks once whether the login is confirmed (RFC 8628 §3.4). sent says that the request
// may have been heard. Where the endpoint has moved since the code was given, it is asked
// where it is now.
func (d *DeviceLogin) poll(ctx context.Context) (answer *recorder, sent bool, err error) {
	ctx, cancel := clock.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	e, err := d.issuer.Discover(ctx)
	if err != nil {
		return &recorder{}, false, err
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	answer, err = d.issuer.post(ctx, e.Token, url.Values{
		"client_id":   {d.issuer.clientID},
		"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
		"device_code": {d.code},
	})
	return answer, sent, err
}

// slowDown makes the interval longer for good, and by as much as the issuer says, if that
// is more. It returns the pause before the next poll.
func (d *DeviceLogin) slowDown(answer *recorder) time.Duration {
	m, _ := scanObject(answer.body)
	said, _ := clock.Seconds(m["interval"], maxInterval)
	d.interval = min(maxInterval, max(d.interval+slower, said))
	return max(d.interval, answer.said().RetryAfter)
}

// unheard says why a poll has no answer of the issuer's.
func unheard(said httpx.Answer, sent bool, err error) string {
	switch {
	case err != nil && sent:
		return "the issuer's answer was lost: " + httpx.Describe(err)
	case err != nil:
		return "the issuer cannot be reached: " + httpx.Describe(err)
	case said.Code != "":
		return "the issuer has a problem (" + said.Code + ")"
	}
	return said.By("the issuer")
}

// ended is the issuer's last word on the code, named by the OAuth error's code and never
// by its text (R12).
func (d *DeviceLogin) ended(code string, said httpx.Answer, lost bool) error {
	switch code {
	case "access_denied":
		return ErrDenied
	case "expired_token", "invalid_grant": // of a code that is not known any more, some say the one, some the other
		if lost && clock.Now().Before(d.ends) {
			return ErrUsed
		}
		return ErrExpired
	}
	return fmt.Errorf("the issuer refuses the request of client %q (%s)\n%s", d.issuer.clientID, code, refusalHint(said))
}

// PendingLogin is a login that the issuer has granted and nobody has kept yet.
type PendingLogin struct {
	// Whose it is, as the verified ID token says; "" where none was.
	Subject string
	Name    string // for a greeting, as is Email
	Email   string
	Doubt   string // why that is not known, for people; "" where it is

	ClientID, Audience, Scopes string // with which it was asked for

	Reply   Reply   // Granted, with a refresh token
	Verdict Verdict // verified or in doubt; zero without an ID token
	Keys    string  // where the issuer's keys are
}

// pending is what a granted answer is worth. A login whose ID token is wrong is
// nobody's: it is revoked, as far as that can be done.
func (d *DeviceLogin) pending(ctx context.Context, r Reply) (*PendingLogin, error) {
	if r.Tokens.Refresh == "" {
		return nil, errors.New("the issuer granted no refresh token\nadd offline_access to FALCRED_SCOPES")
	}
	l := &PendingLogin{ClientID: d.issuer.clientID, Audience: d.audience, Scopes: d.scopes, Reply: r, Keys: d.issuer.KeysAt()}
	if r.IDToken.IsZero() {
		l.Doubt = "the issuer sent no ID token, so whose login this is cannot be shown"
		return l, nil
	}
	v := d.issuer.Verify(ctx, r.IDToken, "")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if v.Wrong != nil {
		d.issuer.Revoke(context.WithoutCancel(ctx), r.Tokens.Refresh) // best effort: it is not kept either way
		return nil, fmt.Errorf("the issuer's answer is not trusted, and the login was not kept: %w\ntry again: falcred login; if it happens again, something between this machine and the issuer answers in its place", v.Wrong)
	}
	l.Verdict = v
	if v.Doubt != nil {
		l.Doubt = "the login is kept, but its ID token could not be verified: " + v.Doubt.Error()
		return l, nil
	}
	l.Subject, l.Name, l.Email = v.Token.Subject, v.Token.Name, v.Token.Email
	return l, nil
}
