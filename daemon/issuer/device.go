package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
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
		return nil, plainly(err)
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
	limited, cancel := clock.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	asked := clock.Now()
	answer, err := p.post(limited, address, form)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, plainly(unreached{p.url, err})
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

// plainly tells somebody who wants to log in that there is no way to an issuer.
func plainly(err error) error {
	u, dns := unreached{}, (*net.DNSError)(nil)
	if !errors.As(err, &u) {
		return err
	}
	why := httpx.Describe(u.err)
	if errors.As(u.err, &dns) && !dns.IsTimeout {
		why = "its name is not found, as when this machine is offline"
	}
	return fmt.Errorf("%s cannot be reached: %s\ncheck the network and try again; falcred doctor finds what is in the way", u.url, why)
}

// noCode is why there is no code: who refuses it, or what the answer lacks.
func (p *Provider) noCode(answer *recorder) error {
	said := answer.said()
	switch {
	case said.Code != "":
		return fmt.Errorf("%s gave no code: it refuses the request of client %q (%s)\n%s", p.url, p.clientID, said.Code, refusalHint(said))
	case said.Status >= 200 && said.Status < 300 && said.Type != "text/html":
		return fmt.Errorf("%s gave no code: its answer %s\nask whoever runs it; or this network wants a sign-in in a browser first", p.url, lacking(answer.body))
	case gone(said.Status):
		return fmt.Errorf("%s gave no code: %w\nask whoever runs it; or this network wants a sign-in in a browser first", p.url, nothingThere{"device endpoint where its discovery document names one", said})
	}
	return fmt.Errorf("%s gave no code: %s\n%s", p.url, said.By("it"), cmp.Or(said.Hint(), "try again in a minute"))
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
func refusalHint(said httpx.Answer) string {
	switch said.Code {
	case "invalid_scope":
		return "name scopes that it grants in FALCRED_SCOPES"
	case "invalid_target":
		return "name an audience that it knows in FALCRED_AUDIENCE; empty is none"
	}
	return cmp.Or(said.Hint(), "see which of FALCRED_CLIENT_ID, FALCRED_AUDIENCE (empty is none) and FALCRED_SCOPES it does not like")
}
