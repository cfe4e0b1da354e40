package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// fal's issuer (DESIGN §2). Its endpoints are compiled in, so that a daemon
// starts and refreshes without discovery (R11).
const (
	FalIssuer   = "https://auth.fal.ai/"
	FalClientID = "TwXR51Vz8JbY8GUUMy6EyuVR0fTO7N4N"
	FalAudience = "fal-cloud"
	FalScopes   = "openid profile email offline_access"
)

// endpoints are where an issuer is asked for what.
type endpoints struct {
	token  string
	revoke string // "" where the issuer has none (RFC 7009 is optional)
	keys   string
	device string // "" where the issuer has none (RFC 8628 is optional)
}

var falEndpoints = endpoints{ // #nosec G101 -- addresses
	device: "https://auth.fal.ai/oauth/device/code",
	token:  "https://auth.fal.ai/oauth/token",
	revoke: "https://auth.fal.ai/oauth/revoke",
	keys:   "https://auth.fal.ai/.well-known/jwks.json",
}

// issuer is the identity provider, as this daemon knows it.
type issuer struct {
	url      string
	clientID string
	client   *http.Client

	mu    sync.Mutex // guards what discovery finds
	known *endpoints
	keys  *keySet
}

// sideTimeout bounds every request but the refresh itself.
const sideTimeout = 5 * time.Second

func newIssuer(url, clientID string) *issuer {
	i := &issuer{url: url, clientID: clientID, client: newClient()}
	if url == FalIssuer {
		i.know(falEndpoints)
	}
	return i
}

// newClient makes one request of one request (R6): a connection of its own,
// HTTP/1.1, so that nothing below us ever sends a request again. Redirects
// are not followed: they would carry a credential elsewhere (R13).
func newClient() *http.Client {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  proxyOf,
			OnProxyConnectResponse: tunnelled,
			// Dialling does not end with the request that asked for it.
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout: connectTimeout,
			Protocols:           &http1,
			DisableKeepAlives:   true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (i *issuer) know(e endpoints) {
	i.known, i.keys = &e, newKeySet(e.keys, i.client)
}

// keysAt is where the issuer's keys are, "" where that is not known yet.
func (i *issuer) keysAt() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil {
		return ""
	}
	return i.known.keys
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

// discover finds the endpoints at first need and keeps them (R11).
func (i *issuer) discover(ctx context.Context) (endpoints, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known != nil {
		return *i.known, nil
	}
	client := &http.Client{Transport: capped{i.client.Transport}, CheckRedirect: i.client.CheckRedirect}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, client), sideTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, i.url)
	if err != nil {
		return endpoints{}, fmt.Errorf("discovery at %s failed: %s", i.url, plain(err))
	}
	var more struct {
		Revoke string `json:"revocation_endpoint"`
		Keys   string `json:"jwks_uri"`
		Device string `json:"device_authorization_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return endpoints{}, fmt.Errorf("discovery at %s: the document cannot be read", i.url)
	}
	found := endpoints{token: provider.Endpoint().TokenURL, revoke: more.Revoke, keys: more.Keys, device: more.Device}
	if found.token == "" || found.keys == "" {
		return endpoints{}, fmt.Errorf("discovery at %s names no token endpoint or no keys", i.url)
	}
	for _, address := range []string{found.token, found.revoke, found.keys, found.device} {
		if address != "" && !i.trusts(address) {
			return endpoints{}, fmt.Errorf("discovery at %s names an endpoint that is neither https nor, like the issuer, on loopback", i.url)
		}
	}
	i.know(found)
	return found, nil
}

// trusts is R13's rule for discovered endpoints.
func (i *issuer) trusts(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) && isLoopbackURL(i.url)
}

func isLoopbackURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback(u.Hostname())
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// reachable asks for something public: F7 wants to know whether the issuer
// answers, and a broken gateway does not.
func (i *issuer) reachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, sideTimeout)
	defer cancel()
	e, err := i.discover(ctx)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.keys, nil)
	if err != nil {
		return false
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode < http.StatusInternalServerError
}

// errNoRevocation: with such an issuer a logout is the deletion of the file.
var errNoRevocation = errors.New("the issuer has no revocation endpoint")

// revoke ends a login (RFC 7009).
func (i *issuer) revoke(ctx context.Context, refresh string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*sideTimeout)
	defer cancel()
	e, err := i.discover(ctx)
	if err != nil {
		return err
	}
	if e.revoke == "" {
		return errNoRevocation
	}
	form := url.Values{"client_id": {i.clientID}, "token": {refresh}, "token_type_hint": {"refresh_token"}}
	req, err := newForm(ctx, e.revoke, form)
	if err != nil {
		return err
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return fmt.Errorf("revoking at %s failed: %s", i.url, plain(err))
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("revoking at %s failed: status %d", i.url, resp.StatusCode)
	}
	return nil
}

func (i *issuer) oauth2(tokenURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: i.clientID,
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams}, // R6
	}
}
