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
//   - What something between this machine and the issuer answers is not taken for
//     the issuer's word.
//   - What an ID token claims is compared before any key is asked for; what no key
//     verifies is a doubt, and not a reason to end a login.
//   - Fal's endpoints are known without discovery. Those of another issuer are
//     discovered at first need, and again when one of them is no longer there; they are
//     https, or on loopback where the issuer is.
//   - Every answer is capped. No error has a word of what a peer sent, since that can
//     quote a token; an OAuth error code is the one exception.
//
// It knows no file and keeps no login: what becomes of an answer is its caller's.
package issuer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/falcred/falcred/daemon/internal/clock"
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

// Provider is one issuer and the client that it knows us as. It may be used by
// several goroutines at once.
type Provider struct {
	*site
	clientID string
}

// New is the issuer of that URL, as it names itself to the letter, for a public
// client of that id. All requests go through transport, httpx.NewTransport's where
// it is nil. Another transport must send a request once at most, and report its
// connection by httptrace's GotConn before it sends: Refresh takes what comes
// before that for unsent.
func New(url, clientID string, transport http.RoundTripper) *Provider {
	p := &Provider{&site{url: url, discovering: newTurn()}, clientID}
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

// As is the same issuer for another of its clients. A login belongs to the client that it
// was made with: as another, it is neither refreshed nor revoked (RFC 6749 §6, RFC 7009
// §2.1), and some issuers answer such a revocation as if it had been done.
func (p *Provider) As(clientID string) *Provider { return &Provider{p.site, clientID} }

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

// Ping asks the issuer for something public, its keys, within httpx.SideTimeout. It is nil
// where the issuer answers. Only a set of keys counts, and no other answer, which a gateway or
// a captive portal gives too: whether a token file that vanished was a logout is decided by
// the issuer itself.
func (p *Provider) Ping(ctx context.Context) error {
	ctx, cancel := clock.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	if _, err := p.Discover(ctx); err != nil {
		return err
	}
	_, err := p.found.Load().keys.fetch(ctx)
	if errors.As(err, &nothingThere{}) {
		p.doubt()
	}
	if err != nil {
		return fmt.Errorf("the keys of %s cannot be had: %w", p.url, err)
	}
	return nil
}

// Probe asks the token endpoint for a refresh and sends no token: an issuer refuses that by an
// OAuth error (RFC 6749 §5.2), and then it is nil, unless the error is about the client. Else it
// says who answers instead, or that nobody does, and after a line end what to do. It takes
// httpx.SideTimeout at most.
func (p *Provider) Probe(ctx context.Context) error {
	ctx, cancel := clock.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	e, err := p.Discover(ctx)
	if err != nil {
		return err
	}
	answer, err := p.post(ctx, e.Token, url.Values{"client_id": {p.clientID}, "grant_type": {"refresh_token"}})
	said := answer.said()
	switch {
	case err != nil:
		return fmt.Errorf("a refresh at %s fails: %s\ncheck the network", p.url, httpx.Describe(err))
	case gone(said.Status) && p.url != FalIssuer:
		there := nothingThere{"token endpoint where the discovery document of " + p.url + " names one", said}
		return fmt.Errorf("%w\nask whoever runs it; falcred asks it again where that is, once a minute", there)
	case said.Code == "" || said.Hint() != "":
		return fmt.Errorf("a refresh at %s as client %q fails: %w\n%s", p.url, p.clientID, said, cmp.Or(said.Hint(), httpx.PassesHint))
	}
	return nil
}

// post sends a form once, with a connection of its own, and keeps what was answered.
func (p *Provider) post(ctx context.Context, address string, form url.Values) (*recorder, error) {
	answer := &recorder{next: p.client.Transport, most: maxReply}
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

// ErrNoRevocation is the error of [Provider.Revoke] for an issuer that cannot revoke: a
// logout there is the deletion of the file.
var ErrNoRevocation = errors.New("the issuer has no revocation endpoint")

// Revoke ends the login of a refresh token (RFC 7009). It takes twice
// httpx.SideTimeout at most.
func (p *Provider) Revoke(ctx context.Context, refresh string) error {
	ctx, cancel := clock.WithTimeout(ctx, 2*httpx.SideTimeout)
	defer cancel()
	e, err := p.endpoints(ctx)
	if err != nil {
		return err
	}
	if e.Revoke == "" {
		return ErrNoRevocation
	}
	form := url.Values{"client_id": {p.clientID}, "token": {refresh}, "token_type_hint": {"refresh_token"}}
	answer, err := p.post(ctx, e.Revoke, form)
	switch {
	case err != nil:
		return fmt.Errorf("revoking at %s failed: %s", p.url, httpx.Describe(err))
	case !answer.revoked():
		return fmt.Errorf("revoking at %s failed: %w", p.url, answer.said())
	}
	return nil
}

// revoked says whether that was the answer to a revocation: status 200, with a body that
// clients ignore (RFC 7009 §2.2). A page is a captive portal's, and what has an error did not
// revoke.
func (r *recorder) revoked() bool {
	said, body := r.said(), bytes.TrimSpace(r.body)
	page := bytes.HasPrefix(body, []byte("<")) || len(body) > 0 && said.Type == "text/html"
	switch string(parseMembers(body)["error"]) {
	case "", "null", "false", `""`:
		return said.Status == http.StatusOK && said.Code == "" && !page
	}
	return false
}

func (p *Provider) oauth2(tokenURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.clientID,
		// Left to find out how a client names itself, x/oauth2 sends a failed request a
		// second time (R6).
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
}
