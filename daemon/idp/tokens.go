package idp

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// defaultScope is what fal's CLI asks for.
const defaultScope = "openid profile email offline_access"

// family is one login and all the refresh tokens that came of it.
type family struct {
	sub, scope string
	revoked    bool
	newest     *refreshToken
}

// refreshToken is kept for ever, consumed or not: reuse can only be detected by who remembers.
type refreshToken struct {
	family     *family
	value      string
	generation int
	retired    time.Time // when it stopped being the newest; zero while it is
}

type accessToken struct {
	sub     string
	expires time.Time
}

// grant is a decision to issue tokens; refresh is empty when none comes with them.
type grant struct {
	sub, scope, refresh string
}

// oauthError is an error reply of RFC 6749 section 5.2.
type oauthError struct {
	status            int
	code, description string
}

func (e *oauthError) fields() map[string]any {
	return map[string]any{"error": e.code, "error_description": e.description}
}

// Login makes a login without the device flow: a new family with its first tokens.
func (p *Provider) Login(sub string) (refresh, access, idToken string) {
	g := p.begin(sub, defaultScope)
	cfg, key := p.current()
	return g.refresh, p.newAccess(cfg, key, g), key.sign(p.idClaims(cfg, g.sub))
}

// Mint signs an access token (a JWT even where Config.Opaque is set) with the times given.
func (p *Provider) Mint(sub string, issued time.Time, lifetime time.Duration) string {
	cfg, key := p.current()
	return p.mint(cfg, key, grant{sub: sub, scope: defaultScope}, issued, lifetime)
}

// Alive reports whether this refresh token is its family's newest, and the family not revoked. A
// previous token that would only pass by the overlap is not alive.
func (p *Provider) Alive(refresh string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.refresh[refresh]
	return t != nil && !t.family.revoked && t.family.newest == t
}

// Revoked reports whether the login that this refresh token, consumed or not, belongs to has ended. Of a
// token that was never issued it says yes: nobody is logged in by it.
func (p *Provider) Revoked(refresh string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.refresh[refresh]
	return t == nil || t.family.revoked
}

// RevokeFamily ends the login that this refresh token, consumed or not, belongs to.
func (p *Provider) RevokeFamily(refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.refresh[refresh]; t != nil {
		p.revokeLocked(t.family)
	}
}

func (p *Provider) revokeLocked(f *family) {
	if !f.revoked {
		f.revoked = true
		p.stats.FamiliesRevoked++
	}
}

// begin makes a family. Without offline_access there is no refresh token and nothing to remember.
func (p *Provider) begin(sub, scope string) grant {
	g := grant{sub: sub, scope: scope}
	if !hasScope(scope, "offline_access") {
		return g
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g.refresh = p.successorLocked(&family{sub: sub, scope: scope}, 1).value
	return g
}

// successorLocked makes the family's newest token.
func (p *Provider) successorLocked(f *family, generation int) *refreshToken {
	t := &refreshToken{family: f, value: randomToken("v1."), generation: generation}
	if f.newest != nil {
		f.newest.retired = time.Now()
	}
	f.newest = t
	p.refresh[t.value] = t
	return t
}

// redeem commits a refresh: the package doc says by which rules. With rotate false the token stays
// unused and none comes back. The string is the outcome for Requests.
func (p *Provider) redeem(value string, rotate bool) (grant, string, *oauthError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.refresh[value]
	if t == nil {
		return grant{}, "unknown token", p.consumedLocked("Unknown or invalid refresh token.")
	}
	f := t.family
	if f.revoked {
		return grant{}, "family revoked", p.consumedLocked("Unknown or invalid refresh token.")
	}
	outcome := "rotated"
	if t != f.newest {
		if !p.overlapsLocked(t) {
			p.stats.ReuseDetections++
			p.revokeLocked(f)
			return grant{}, "reuse detected", p.consumedLocked("The refresh token was used before; its family is revoked.")
		}
		outcome = "replayed"
		p.stats.Replays++
	}
	p.stats.Refreshes++
	g := grant{sub: f.sub, scope: f.scope}
	if !rotate {
		return g, "not rotated", nil
	}
	g.refresh = p.successorLocked(f, t.generation+1).value
	return g, outcome, nil
}

// overlapsLocked reports whether a token that is not the newest still works.
func (p *Provider) overlapsLocked(t *refreshToken) bool {
	return t.generation >= t.family.newest.generation-1 &&
		time.Now().Before(t.retired.Add(p.cfg.Overlap))
}

// consumedLocked answers as Auth0 does (403), or with dex's error as dex does (400).
func (p *Provider) consumedLocked(description string) *oauthError {
	status := http.StatusForbidden
	if p.cfg.SpentError != "invalid_grant" {
		status = http.StatusBadRequest
	}
	return &oauthError{status, p.cfg.SpentError, description}
}

// issue makes the reply of RFC 6749 section 5.1 for a grant. A fault may lie in the tokens themselves.
func (p *Provider) issue(g grant, f Fault) map[string]any {
	cfg, key := p.current()
	if f.Subject != "" {
		g.sub = f.Subject
	}
	fields := map[string]any{
		"access_token": p.newAccess(cfg, key, g),
		"token_type":   "Bearer",
		"expires_in":   int64(cfg.Lifetime / time.Second),
		"scope":        g.scope,
	}
	if g.refresh != "" {
		fields["refresh_token"] = g.refresh
	}
	if hasScope(g.scope, "openid") {
		claims := p.idClaims(cfg, g.sub)
		if f.IDClaims != nil {
			f.IDClaims(claims)
		}
		fields["id_token"] = key.sign(claims)
	}
	return fields
}

func (p *Provider) newAccess(cfg Config, key signer, g grant) string {
	now := time.Now()
	if !cfg.Opaque {
		return p.mint(cfg, key, g, now, cfg.Lifetime)
	}
	opaque := randomToken("")
	p.remember(opaque, g.sub, now.Add(cfg.Lifetime))
	return opaque
}

func (p *Provider) mint(cfg Config, key signer, g grant, issued time.Time, lifetime time.Duration) string {
	access := key.sign(map[string]any{
		"iss":   p.issuer,
		"sub":   g.sub,
		"aud":   []string{cfg.Audience},
		"azp":   cfg.ClientID,
		"scope": g.scope,
		"iat":   issued.Unix(),
		"exp":   issued.Add(lifetime).Unix(),
		"jti":   rand.Text(), // else two of the same second would be the same token
	})
	p.remember(access, g.sub, issued.Add(lifetime))
	return access
}

func (p *Provider) remember(access, sub string, expires time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[access] = accessToken{sub, expires}
}

// idClaims are an ID token's (OpenID Connect Core section 2). It lives as long as the access token
// that it comes with, but never less than a minute: born expired, it would only hide what Lifetime is
// there to test.
func (p *Provider) idClaims(cfg Config, sub string) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": p.issuer,
		"aud": cfg.ClientID,
		"iat": now.Unix(),
		"exp": now.Add(max(cfg.Lifetime, time.Minute)).Unix(),
	}
	maps.Copy(claims, profile(sub))
	return claims
}

func hasScope(scope, want string) bool { return slices.Contains(strings.Fields(scope), want) }
