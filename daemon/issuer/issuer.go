// Package issuer is an identity provider as this machine's logins need it: an
// OpenID Connect issuer with refresh tokens (RFC 6749 §6), the device
// authorization grant (RFC 8628) and revocation (RFC 7009).
//
// It promises:
//
//   - A refresh is one request, whatever happens to it. Nothing below sends it a
//     second time, and no redirect is followed with a credential in it.
//   - Whatever is wrong with an answer, a refresh token in it is not lost: the
//     bytes are read before any library has its say.
//   - What an ID token claims is compared before any key is asked for; what no key
//     verifies is a doubt, and not a reason to end a login.
//   - Fal's endpoints are known without discovery. Those of another issuer are
//     discovered once, and are https, or on loopback where the issuer is.
//   - Every answer is capped. No error has a word of what a peer sent, since that can
//     quote a token; an OAuth error code is the one exception.
//
// It knows no file and keeps no login: what becomes of an answer is its caller's.
package issuer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"golang.org/x/oauth2"
)

// FalIssuer and the others are fal's: its issuer, and the client, audience and scopes of its
// own programs. The client is public: it has no secret.
const (
	FalIssuer   = "https://auth.fal.ai/"
	FalClientID = "TwXR51Vz8JbY8GUUMy6EyuVR0fTO7N4N"
	FalAudience = "fal-cloud"
	FalScopes   = "openid profile email offline_access"
)

// Endpoints are where an issuer is asked for what.
type Endpoints struct {
	Token  string
	Revoke string // "" where the issuer has none: RFC 7009 is optional
	Keys   string
	Device string // "" where the issuer has none: RFC 8628 is optional
}

// FalKeys is where fal publishes the keys of its ID tokens: something public, to ask for.
const FalKeys = "https://auth.fal.ai/.well-known/jwks.json"

// falEndpoints are compiled in, so that a daemon starts and refreshes without
// discovery (R11).
var falEndpoints = Endpoints{ // #nosec G101 -- addresses
	Device: "https://auth.fal.ai/oauth/device/code",
	Token:  "https://auth.fal.ai/oauth/token",
	Revoke: "https://auth.fal.ai/oauth/revoke",
	Keys:   FalKeys,
}

// Provider is one issuer and the client that it knows us as. It may be used by
// several goroutines at once.
type Provider struct {
	url      string
	clientID string
	client   *http.Client
	find     func(ctx context.Context, address string) error // looks a name up; nil with another's transport

	found       atomic.Pointer[discovered] // nil before the first discovery
	discovering turn
}

// discovered is what is known of an issuer for good.
type discovered struct {
	Endpoints
	keys *keySet
}

// turn is had by one at a time. It is a channel and no mutex, so that whoever waits for
// it can leave with a context, and synctest's clock runs on meanwhile.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }

// New is the issuer of that URL, as it names itself to the letter, for a public
// client of that id. All requests go through transport, httpx.NewTransport's where
// it is nil. Another transport must send a request once at most, and report its
// connection by httptrace's GotConn before it sends: Refresh takes what comes
// before that for unsent.
func New(url, clientID string, transport http.RoundTripper) *Provider {
	p := &Provider{url: url, clientID: clientID, discovering: newTurn()}
	if transport == nil {
		own := httpx.NewTransport()
		transport, p.find = own, own.Find
	}
	p.client = httpx.Client(transport)
	if url == FalIssuer {
		p.know(falEndpoints)
	}
	return p
}

// CheckURL refuses what cannot be an issuer's URL: it is https, or http on
// loopback. The error names FALCRED_ISSUER, where people write it.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("FALCRED_ISSUER is not an issuer URL: %q", address)
	case u.Scheme == "https", u.Scheme == "http" && httpx.Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("FALCRED_ISSUER must be https, or http on loopback: %q", address)
}

// Client sends requests as all of the issuer's are sent: once, and following no
// redirect.
func (p *Provider) Client() *http.Client { return p.client }

// KeysAt is where the issuer's keys are, "" while that is not known.
func (p *Provider) KeysAt() string {
	if known := p.found.Load(); known != nil {
		return known.Keys
	}
	return ""
}

func (p *Provider) know(e Endpoints) {
	p.found.Store(&discovered{e, newKeySet(e.Keys, p.client)})
}

// maxDocument caps a discovery document, as it is once unpacked: real ones have
// a few KiB, and go-oidc reads whatever comes.
const maxDocument = 256 << 10

// capped cuts what is longer.
type capped struct{ next http.RoundTripper }

func (c capped) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxDocument), resp.Body}
	return resp, nil
}

// Discover finds the endpoints at first need and keeps them (OpenID Connect
// Discovery §4). It takes httpx.SideTimeout at most, beside the lookup of the issuer's name
// (httpx.LookupTimeout), and one asks at a time: whoever
// waits for another's answer shares it, and asks anew where it was an error.
func (p *Provider) Discover(ctx context.Context) (Endpoints, error) {
	if known := p.found.Load(); known != nil {
		return known.Endpoints, nil
	}
	if err := p.lookUp(ctx, p.url); err != nil {
		return Endpoints{}, fmt.Errorf("discovery at %s failed: %s", p.url, httpx.Describe(err))
	}
	ctx, cancel := context.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	if err := p.discovering.take(ctx); err != nil {
		return Endpoints{}, fmt.Errorf("discovery at %s failed: %s", p.url, httpx.Describe(err))
	}
	defer p.discovering.leave()
	if known := p.found.Load(); known != nil {
		return known.Endpoints, nil
	}
	e, err := p.discover(ctx)
	if err != nil {
		return Endpoints{}, err
	}
	p.know(e)
	return e, nil
}

func (p *Provider) discover(ctx context.Context) (Endpoints, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, httpx.Client(capped{p.client.Transport})), p.url)
	if err != nil {
		return Endpoints{}, fmt.Errorf("discovery at %s failed: %s", p.url, httpx.Describe(err))
	}
	var more struct {
		Revoke string `json:"revocation_endpoint"`
		Keys   string `json:"jwks_uri"`
		Device string `json:"device_authorization_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return Endpoints{}, fmt.Errorf("discovery at %s: the document cannot be read", p.url)
	}
	e := Endpoints{Token: provider.Endpoint().TokenURL, Revoke: more.Revoke, Keys: more.Keys, Device: more.Device}
	if e.Token == "" || e.Keys == "" {
		return Endpoints{}, fmt.Errorf("discovery at %s names no token endpoint or no keys", p.url)
	}
	for _, address := range []string{e.Token, e.Revoke, e.Keys, e.Device} {
		if address != "" && !p.trusts(address) {
			return Endpoints{}, fmt.Errorf("discovery at %s names an endpoint that is neither https nor, like the issuer, on loopback", p.url)
		}
	}
	return e, nil
}

// trusts is R13's rule for addresses that the issuer names.
func (p *Provider) trusts(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && httpx.Loopback(u.Hostname()) && onLoopback(p.url)
}

func onLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && httpx.Loopback(u.Hostname())
}

// Reachable reports whether the issuer answers a request for something public, within
// httpx.SideTimeout. A gateway whose issuer is down (5xx) does not count: whether a token
// file that vanished was a logout is decided by the issuer itself.
func (p *Provider) Reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	e, err := p.Discover(ctx)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Keys, nil)
	if err != nil {
		return false
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode < http.StatusInternalServerError
}

// ErrNoRevocation is the error of [Provider.Revoke] for an issuer that cannot revoke: a
// logout there is the deletion of the file.
var ErrNoRevocation = errors.New("the issuer has no revocation endpoint")

// Revoke ends the login of a refresh token (RFC 7009). It takes twice
// httpx.SideTimeout at most.
func (p *Provider) Revoke(ctx context.Context, refresh string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	e, err := p.Discover(ctx)
	if err != nil {
		return err
	}
	if e.Revoke == "" {
		return ErrNoRevocation
	}
	form := url.Values{"client_id": {p.clientID}, "token": {refresh}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("revoking at %s failed: its address cannot be used", p.url)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("revoking at %s failed: %s", p.url, httpx.Describe(err))
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("revoking at %s failed: status %d", p.url, resp.StatusCode)
	}
	return nil
}

func (p *Provider) oauth2(tokenURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.clientID,
		// Left to find out how a client names itself, x/oauth2 sends a failed request a
		// second time (R6).
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
}
