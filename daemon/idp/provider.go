// Package idp is a small OpenID provider in one process, for tests and for `falcred demo`. It plays
// the part of fal's issuer (Auth0): the device flow (RFC 8628), refresh-token rotation with reuse
// detection (RFC 9700 section 4.14.2), revocation (RFC 7009), signed tokens and discovery, under
// Auth0's path names. It keeps everything in memory and anybody may approve a login: it protects
// nothing and must never be reachable by others.
//
// # Rotation
//
// A login makes a family of refresh tokens. Its newest token always works, once. What is done with a
// token that is no longer the newest depends on Config.Overlap:
//
//   - A token of the newest or of the immediately previous generation is accepted until Overlap has
//     passed since it stopped being the newest; a replay does not extend that.
//   - Any other is reuse: the whole family is revoked, the newest token included.
//
// A refresh makes a token of the generation after the one presented. A replay of the previous token
// thus makes a second successor, of the same generation as the lost one. That successor becomes the
// newest; the lost one is treated as a previous token from then on, so a reply that was only late and
// not lost still works while the overlap lasts.
//
// The rotation is complete, under the provider's mutex, before the first byte of the reply is written:
// whatever happens to the reply, the token is consumed. Faults (see Fault) rest on that order.
//
// # Time
//
// The package starts no goroutine but Server's own, has no ticker and reads time.Now for every clock,
// so that a Provider on an in-memory listener works inside a testing/synctest bubble.
package idp

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultSubject is who logs in when nobody says who: by AutoApprove and by the activation page.
const DefaultSubject = "auth0|demo"

// Config is what a test may vary. The zero value of every field means its default.
type Config struct {
	Lifetime    time.Duration // of access tokens; default 24h; negative ones are born expired
	Overlap     time.Duration // how long a previous refresh token still works; default none
	AutoApprove bool          // device codes are approved at once, as DefaultSubject
	DeviceLife  time.Duration // of device codes; default 15m
	AutoDeny    bool          // device codes are refused at once
	Interval    time.Duration // between polls of the device flow; default 5s, rounded up to seconds on the wire
	ClientID    string        // the one public client; default "test-client"
	Audience    string        // of access tokens; default "fal-cloud"
	Opaque      bool          // access tokens are random strings, not JWTs
	Teams       []Team        // that everybody is in, at /users/teams
	TeamsStatus int           // what /users/teams answers instead
	Algorithm   string        // of signatures: RS256, RS384, RS512, PS…, ES… or EdDSA; default RS256; another one brings a new key
	KeySetLag   time.Duration // how long a new key signs before the key set has it
	OldKeyID    bool          // tokens name the key before the one that signs them (as hydra does)
	OddKeys     []any         // published before the provider's own
	SpentError  string        // the OAuth error for a refresh token that no longer works; default "invalid_grant" (dex: "invalid_request")
}

// fill sets the defaults.
func (c *Config) fill() {
	if c.Lifetime == 0 {
		c.Lifetime = 24 * time.Hour
	}
	if c.Interval <= 0 {
		c.Interval = 5 * time.Second
	}
	if c.DeviceLife <= 0 {
		c.DeviceLife = deviceLifetime
	}
	if c.ClientID == "" {
		c.ClientID = "test-client"
	}
	if c.Audience == "" {
		c.Audience = "fal-cloud"
	}
	if c.Algorithm == "" {
		c.Algorithm = "RS256"
	}
	if c.SpentError == "" {
		c.SpentError = "invalid_grant"
	}
}

// Provider is the issuer: an http.Handler for its issuer URL.
type Provider struct {
	issuer string // exactly as given: clients compare it byte for byte (OpenID Connect Core section 3.1.3.7)
	base   string // issuer without its trailing slash: the endpoints hang here
	mux    http.Handler

	mu      sync.Mutex // guards everything below
	cfg     Config
	keys    []*signingKey // newest first; older ones stay published, as Auth0's previous key does
	refresh map[string]*refreshToken
	access  map[string]accessToken
	devices map[string]*device // by device code
	queue   []Fault            // one refresh each, in order
	always  *Fault             // when the queue is empty
	stats   Stats
	log     []*Request
}

// New returns a provider for that issuer URL. The URL may have a path and may end in a slash, as
// Auth0's do.
func New(issuer string, cfg Config) (*Provider, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if u.Scheme == "" || u.Host == "" {
		return nil, fmt.Errorf("issuer %q is not an absolute URL", issuer)
	}
	cfg.fill()
	key, err := firstKey(cfg.Algorithm)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		issuer:  issuer,
		base:    strings.TrimSuffix(issuer, "/"),
		cfg:     cfg,
		keys:    []*signingKey{key},
		refresh: make(map[string]*refreshToken),
		access:  make(map[string]accessToken),
		devices: make(map[string]*device),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.serveDiscovery)
	mux.HandleFunc("GET /.well-known/jwks.json", p.serveKeys)
	mux.HandleFunc("POST /oauth/device/code", p.serveDeviceCode)
	mux.HandleFunc("POST /oauth/token", p.serveToken)
	mux.HandleFunc("POST /oauth/revoke", p.serveRevoke)
	mux.HandleFunc("GET /userinfo", p.serveUserinfo)
	mux.HandleFunc("GET /users/teams", p.serveTeams)
	mux.HandleFunc("GET /activate", p.serveActivate)
	mux.HandleFunc("POST /activate", p.serveActivate)
	mux.HandleFunc("GET /v2/logout", p.serveLogout)
	p.mux = http.StripPrefix(strings.TrimSuffix(u.Path, "/"), mux)
	return p, nil
}

// ServeHTTP answers the provider's endpoints.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// SetConfig changes the configuration of a running provider. Overlap is looked at when a token is
// presented, so a new one holds for tokens consumed before the change too.
func (p *Provider) SetConfig(change func(*Config)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.cfg)
	p.cfg.fill()
	if p.cfg.Algorithm != p.keys[0].algorithm {
		p.rotateKeyLocked()
	}
}

// RotateKey signs with a new key from now on. Earlier keys stay in the key set, so what they signed
// can still be verified.
func (p *Provider) RotateKey() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rotateKeyLocked()
}

func (p *Provider) rotateKeyLocked() {
	key, err := newKey(p.cfg.Algorithm)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	key.made = time.Now()
	p.keys = append([]*signingKey{key}, p.keys...)
}

// current returns the configuration and what signs, so that signing (a millisecond) needs no mutex.
func (p *Provider) current() (Config, signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := signer{p.keys[0], p.keys[0].id}
	if p.cfg.OldKeyID && len(p.keys) > 1 {
		s.id = p.keys[1].id
	}
	return p.cfg, s
}

// signer is a key and what tokens call it.
type signer struct {
	*signingKey
	id string
}

func (s signer) sign(claims map[string]any) string { return s.signingKey.sign(s.id, claims) }

// serveDiscovery has no authorization_endpoint, although OpenID Connect Discovery requires one of
// providers with a code flow: there is none here, and falcred must not need it.
func (p *Provider) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	cfg, _ := p.current()
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.issuer,
		"token_endpoint":                        p.base + "/oauth/token",
		"device_authorization_endpoint":         p.base + "/oauth/device/code",
		"revocation_endpoint":                   p.base + "/oauth/revoke",
		"userinfo_endpoint":                     p.base + "/userinfo",
		"end_session_endpoint":                  p.base + "/v2/logout",
		"jwks_uri":                              p.base + "/.well-known/jwks.json",
		"grant_types_supported":                 []string{"refresh_token", deviceGrant},
		"response_types_supported":              []string{},
		"scopes_supported":                      strings.Fields(defaultScope),
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{cfg.Algorithm},
		"token_endpoint_auth_methods_supported": []string{"none", "client_secret_basic"},
	})
}

// serveLogout ends the session of a browser (OpenID Connect RP-Initiated Logout 1.0). There is none
// here: each login is confirmed as whoever the page is told.
func (p *Provider) serveLogout(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "You are logged out. You can close this page.\n")
}

func (p *Provider) serveKeys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	keys := slices.Clone(p.cfg.OddKeys)
	for _, k := range p.keys {
		if k.made.IsZero() || time.Since(k.made) >= p.cfg.KeySetLag {
			keys = append(keys, k.public())
		}
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// serveUserinfo answers for JWTs and opaque tokens alike: the provider remembers what it issued.
func (p *Provider) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	token, known := p.access[bearer]
	p.mu.Unlock()
	if !ok || !known || !time.Now().Before(token.expires) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750 section 3
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	writeJSON(w, http.StatusOK, profile(token.sub))
}

// profile is what the provider claims to know about a person.
func profile(sub string) map[string]any {
	_, name, found := strings.Cut(sub, "|")
	if !found {
		name = sub
	}
	return map[string]any{"sub": sub, "name": name, "email": name + "@example.com"}
}

// randomToken is not a JWT, so nothing can be read out of it.
func randomToken(prefix string) string { return prefix + rand.Text() + rand.Text() }
