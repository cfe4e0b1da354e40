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

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
)

// DeviceLogin is one device authorization (RFC 8628): a code that a person confirms
// in a browser. It is one goroutine's.
type DeviceLogin struct {
	URL      string // where a person confirms; it carries the code where the issuer offers that
	PlainURL string // the same without the code
	UserCode string
	Expires  time.Time // zero: the issuer did not say

	issuer   *Provider
	scopes   string
	audience string
	code     string        // the device code
	interval time.Duration // between polls, and longer after each slow_down
	ends     time.Time     // when nothing is asked any more
}

// What an issuer says of a code (RFC 8628 §3.2) is bounded: what is not said, or is no
// number, has a default. An interval that is longer than its code lives would never poll.
const (
	defaultInterval = 5 * time.Second
	minInterval     = time.Second
	maxInterval     = 5 * time.Minute
	defaultCodeLife = time.Hour // it must be said
	maxCodeLife     = 24 * time.Hour
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
	if err != nil {
		return nil, err
	}
	if e.Device == "" {
		return nil, fmt.Errorf("%s offers no device login (RFC 8628)\nlog in with a program of that issuer's, which writes the token file", p.url)
	}
	if connection != "" && p.url != FalIssuer {
		return nil, fmt.Errorf("--connection works at fal's issuer only, and this home is for %s\nleave --connection out", p.url)
	}
	d, err := p.begin(ctx, e.Device, strings.Join(strings.Fields(scopes), " "), audience)
	if err != nil {
		return nil, err
	}
	if connection != "" {
		d.URL = falSeed + "?" + url.Values{
			"user_code":                 {d.UserCode},
			"verification_uri_complete": {d.URL},
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

// begin sends the request for a code, and reads the answer.
func (p *Provider) begin(ctx context.Context, address, scopes, audience string) (*DeviceLogin, error) {
	form := url.Values{"client_id": {p.clientID}}
	for name, value := range map[string]string{"scope": scopes, "audience": audience} {
		if value != "" {
			form.Set(name, value)
		}
	}
	limited, cancel := context.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	asked := time.Now()
	answer, err := p.post(limited, address, form)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s gave no code: %s", p.url, httpx.Describe(err))
	}
	m, _ := scanObject(answer.body)
	d := &DeviceLogin{issuer: p, scopes: scopes, audience: audience, code: m["device_code"], UserCode: m["user_code"]}
	d.PlainURL = cmp.Or(m["verification_uri"], m["verification_url"], m["verification_uri_complete"]) // some misspell it
	d.URL = cmp.Or(m["verification_uri_complete"], d.PlainURL)
	if answer.status < 200 || answer.status > 299 || d.code == "" || d.UserCode == "" || d.PlainURL == "" {
		return nil, p.noCode(answer)
	}
	life, said := clock.Seconds(m["expires_in"], maxCodeLife)
	if life == 0 {
		life, said = defaultCodeLife, false
	}
	d.ends = asked.Add(life)
	if said {
		d.Expires = d.ends
	}
	d.interval, _ = clock.Seconds(m["interval"], maxInterval)
	if d.interval == 0 {
		d.interval = defaultInterval
	}
	d.interval = max(minInterval, min(d.interval, life*9/10))
	return d, nil
}

// noCode is why there is no code, by an OAuth error's code and never by its text (R12).
func (p *Provider) noCode(answer *recorder) error {
	code, spoken := answer.oauthError()
	switch {
	case spoken:
		return fmt.Errorf("%s gave no code: it refuses the request of client %q%s\n%s", p.url, p.clientID, printable(code), refusalHint(code))
	case answer.status == http.StatusTooManyRequests:
		return fmt.Errorf("%s gave no code: it asks to slow down (status 429)\ntry again in a minute", p.url)
	case answer.status >= 200 && answer.status < 300:
		return fmt.Errorf("%s gave no code: its answer %s\nask whoever runs it; or this network wants a sign-in in a browser first", p.url, lacking(answer.body))
	case gone(answer.status):
		return fmt.Errorf("%s gave no code: there is no device endpoint where its discovery document names one (status %d)\nask whoever runs it", p.url, answer.status)
	}
	return fmt.Errorf("%s gave no code: %s\ntry again in a moment; check the network if it lasts", p.url, between(answer.status))
}

// lacking says what an answer has not that a code needs (RFC 8628 §3.2).
func lacking(body []byte) string {
	m, _ := scanObject(body)
	if len(m) == 0 {
		return "is no JSON object, or an empty one"
	}
	for _, name := range []string{"device_code", "user_code"} {
		if m[name] == "" {
			return "has no " + name
		}
	}
	return "has no verification_uri"
}

// refusalHint is what to do about an OAuth error of a device login (RFC 6749 §5.2, RFC 8707
// §2): the issuer does not know what we are, or what we ask for.
func refusalHint(code string) string {
	switch code {
	case "invalid_client", "unauthorized_client":
		return "name a client of that issuer's in FALCRED_CLIENT_ID: a public one, without a secret, that may use the device grant"
	case "invalid_scope":
		return "name scopes that it grants in FALCRED_SCOPES"
	case "invalid_target":
		return "name an audience that it knows in FALCRED_AUDIENCE; empty is none"
	}
	return "see which of FALCRED_CLIENT_ID, FALCRED_AUDIENCE (empty is none) and FALCRED_SCOPES it does not like"
}

// post sends a form once, with a connection of its own, and keeps what was answered.
func (p *Provider) post(ctx context.Context, address string, form url.Values) (*recorder, error) {
	answer := &recorder{next: p.client.Transport}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return answer, errors.New("its address cannot be used")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Client(answer).Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if gone(answer.status) {
		p.doubt()
	}
	return answer, err
}

// Probe finds out without a credential whether there is a token endpoint: one refuses a
// refresh that names no refresh token (RFC 6749 §5.2). The second line of an error says what
// to do.
func (p *Provider) Probe(ctx context.Context) error {
	e, err := p.Discover(ctx)
	if err != nil {
		return err
	}
	answer, err := p.post(ctx, e.Token, url.Values{"client_id": {p.clientID}, "grant_type": {"refresh_token"}})
	code, spoken := answer.oauthError()
	switch {
	case err != nil:
		return fmt.Errorf("the token endpoint of %s cannot be reached: %s\ncheck the network", p.url, httpx.Describe(err))
	case code == "invalid_client", code == "unauthorized_client":
		return fmt.Errorf("%s refuses the requests of client %q%s\n%s", p.url, p.clientID, printable(code), refusalHint(code))
	case spoken:
		return nil
	case gone(answer.status):
		return fmt.Errorf("there is no token endpoint where the discovery document of %s names one (status %d)\nask whoever runs it; falcred asks it again where that is, once a minute", p.url, answer.status)
	}
	return fmt.Errorf("the token endpoint of %s cannot be reached: %s\ncheck the network; falcred tries again by itself", p.url, between(answer.status))
}
