package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"golang.org/x/oauth2"
)

// DeviceLogin is one device authorization (RFC 8628): a code that a person confirms
// in a browser. It is one goroutine's.
type DeviceLogin struct {
	URL      string // where a person confirms; it carries the code where the issuer offers that
	PlainURL string // the same without the code
	UserCode string
	Expires  time.Time // zero: the issuer did not say

	issuer *Provider
	oauth  *oauth2.Config
	device *oauth2.DeviceAuthResponse
}

// How long an issuer is waited for between two polls, in seconds: defaultInterval
// is that of RFC 8628 §3.2, and a code lives some minutes.
const (
	defaultInterval = 5
	maxInterval     = 60
)

// falSeed is the page through which the fal CLI sends people who chose a
// connection: it signs them in that way and goes on to the confirmation.
const falSeed = "https://fal.ai/api/auth/cli/session-seed"

// Authorize asks the issuer for a code (RFC 8628 §3.1). scopes is a list with spaces,
// as in OAuth; audience is "" for none. connection is "", or one of the fal CLI's:
// github, google, or the domain of an enterprise's single sign-on. Where ctx ends its
// error is returned as it is; of any other the part after a line end is a hint.
func (p *Provider) Authorize(ctx context.Context, scopes, audience, connection string) (*DeviceLogin, error) {
	e, err := p.Discover(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if hint := httpx.Said(err).Hint(); hint != "" {
		return nil, fmt.Errorf("%w\n%s", err, hint)
	}
	if err != nil {
		return nil, err
	}
	if e.Device == "" {
		return nil, fmt.Errorf("%s offers no device login (RFC 8628)\nlog in with a program of that issuer's, which writes the token file", p.url)
	}
	if connection != "" && p.url != FalIssuer {
		return nil, fmt.Errorf("--connection works at fal's issuer only, and this home is for %s\nleave --connection out", p.url)
	}
	d := &DeviceLogin{issuer: p, oauth: p.oauth2(e.Token)}
	d.oauth.Endpoint.DeviceAuthURL = e.Device
	d.oauth.Scopes = strings.Fields(scopes)
	if err := d.begin(ctx, audience); err != nil {
		return nil, err
	}
	d.UserCode, d.Expires = d.device.UserCode, d.device.Expiry
	d.PlainURL = d.device.VerificationURI
	d.URL = cmp.Or(d.device.VerificationURIComplete, d.PlainURL)
	if connection != "" {
		d.URL = falSeed + "?" + url.Values{
			"user_code":                 {d.UserCode},
			"verification_uri_complete": {d.device.VerificationURIComplete},
			"connection":                {connection},
		}.Encode()
	}
	for _, address := range []string{d.URL, d.PlainURL} {
		if !p.trusts(address) {
			return nil, fmt.Errorf("the address to confirm the login at is neither https nor, like the issuer, on loopback, and is not shown\nask whoever runs %s", p.url)
		}
	}
	return d, nil
}

var errNoCode = errors.New("gave no code: its answer was not understood")

// bound gives a request a context: x/oauth2 asks for a code without one.
type bound struct {
	ctx  context.Context
	next http.RoundTripper
}

func (b bound) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(req.WithContext(b.ctx))
}

func (d *DeviceLogin) begin(ctx context.Context, audience string) (err error) {
	defer func() {
		if recover() != nil { // x/oauth2 trips over the answer `null`
			err = fmt.Errorf("%s %w", d.issuer.url, errNoCode)
		}
	}()
	limited, cancel := context.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	var options []oauth2.AuthCodeOption
	if audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", audience))
	}
	answer := &recorder{next: bound{limited, d.issuer.client.Transport}, most: maxReply}
	d.device, err = d.oauth.DeviceAuth(context.WithValue(limited, oauth2.HTTPClient, httpx.Client(answer)), options...)
	members, _ := scanObject(answer.body)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case answer.status == 0:
		return fmt.Errorf("%s gave no code: %s", d.issuer.url, httpx.Describe(err))
	case err == nil && d.device.UserCode != "" && d.device.DeviceCode != "":
	case members["device_code"] == "":
		return fmt.Errorf("%s gave no code: %w", d.issuer.url, deviceProblem(answer.said()))
	default:
		return fmt.Errorf("%s %w", d.issuer.url, errNoCode)
	}
	if d.device.Interval = min(d.device.Interval, maxInterval); d.device.Interval <= 0 {
		d.device.Interval = defaultInterval
	}
	return nil
}

// ErrDenied and ErrExpired are how a device login ends by what a person did, or did not do.
var (
	ErrDenied  = errors.New("the login was cancelled in the browser")
	ErrExpired = errors.New("the code has expired")
)

// maxStrange is how many answers that are not the issuer's are passed over where it did not
// say how long the code is good for.
const maxStrange = 5

// Wait polls until the login is confirmed (RFC 8628 §3.4; x/oauth2 honours the
// interval and slow_down). A poll that the network lost, or that something else than the
// issuer has answered, is repeated, after the Retry-After that this asks for. It returns
// ErrDenied or ErrExpired for these, and ctx's error where that ends; of any other the
// part after a line end is a hint.
func (d *DeviceLogin) Wait(ctx context.Context) (*PendingLogin, error) {
	last := &recorder{next: d.issuer.client.Transport, most: maxReply}
	client := httpx.Client(last)
	client.Timeout = 2 * httpx.SideTimeout // of each poll
	polls := context.WithValue(ctx, oauth2.HTTPClient, client)
	for strange := 0; ; strange++ {
		token, err := d.oauth.DeviceAccessToken(polls, d.device)
		r := last.judge(token, err, true) // whatever x/oauth2 makes of it (R6, R8)
		said := r.Said
		switch {
		case r.Outcome == Granted:
			return d.pending(ctx, r)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !d.Expires.IsZero() && !time.Now().Before(d.Expires):
			return nil, expired(said)
		case said.Code != "" && r.Outcome != Busy && r.Outcome != Broken, said.Between() && d.Expires.IsZero() && strange >= maxStrange:
			return nil, deviceProblem(said)
		}
		if err := d.pause(ctx, said.RetryAfter); err != nil {
			return nil, err
		}
		// Whether a lost poll had been answered is not known: a code that was
		// redeemed by it is refused next time.
		d.device.Interval = min(d.device.Interval+1, maxInterval)
	}
}

// expired says what stood in the way of the last poll, if something did.
func expired(said httpx.Answer) error {
	if said.Between() {
		return fmt.Errorf("%w meanwhile: %s", ErrExpired, said.By("the issuer"))
	}
	return ErrExpired
}

// pause waits, no longer than the code is good for.
func (d *DeviceLogin) pause(ctx context.Context, wait time.Duration) error {
	if !d.Expires.IsZero() {
		wait = min(wait, time.Until(d.Expires))
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deviceProblem names an OAuth error by its code, never by its text (R12), or says that it
// was something else that answered.
func deviceProblem(said httpx.Answer) error {
	switch said.Code {
	case "access_denied":
		return ErrDenied
	case "expired_token", "invalid_grant":
		return ErrExpired
	}
	if hint := said.Hint(); hint != "" {
		return fmt.Errorf("%s\n%s", said.By("the issuer"), hint)
	}
	return errors.New(said.By("the issuer"))
}

// PendingLogin is a login that the issuer has granted and nobody has kept yet.
type PendingLogin struct {
	// Whose it is, as the verified ID token says; "" where none was.
	Subject string
	Name    string // for a greeting, as is Email
	Email   string
	Doubt   string // why that is not known, for people; "" where it is

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
	l := &PendingLogin{Reply: r, Keys: d.issuer.KeysAt()}
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
