package issuer

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// An ID token is verified, in doubt, or wrong (R10). Wrong is what names another
// issuer, client or account than it must, or is signed by nobody or by a shared
// secret: that needs no key, so it is known before the answer is in its place.
// What no key verifies is only in doubt. It came over TLS from the token endpoint
// (OpenID Connect Core §3.1.3.7, 6), and whoever can forge that answer can leave its
// ID token out: keys that lag, move or are written oddly must not end a login.

// asymmetric are the algorithms that go-oidc knows.
var asymmetric = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// IDToken is an ID token as it was read, which says nothing of its signature: what
// it claims counts where a Verdict says so.
type IDToken struct {
	Key, Algorithm string // of its header: kid and alg
	Subject        string
	Name, Email    string

	raw             string
	arrived         time.Time
	readable        bool // else nobody can tell what it claims: it is encrypted, or none at all
	issuer          string
	audience        []string
	issued, expires time.Time
}

// IsZero reports whether there was no ID token.
func (t IDToken) IsZero() bool { return t.raw == "" }

// String keeps the token out of anything that prints it by accident.
func (t IDToken) String() string { return "IDToken(***)" }

// GoString does the same for %#v.
func (t IDToken) GoString() string { return t.String() }

// parseIDToken takes the compact form (RFC 7515 §7.1) apart. A member of another
// type than it must be counts as missing.
func parseIDToken(raw string, arrived time.Time) IDToken {
	t := IDToken{raw: raw, arrived: arrived}
	first, _, _ := strings.Cut(raw, ".")
	head, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(first, "="))
	if err == nil {
		header := parseMembers(head)
		t.Key, t.Algorithm = header.text("kid"), header.text("alg")
	}
	var claims members
	if body, ok := tokenfile.Payload(raw); ok {
		claims = parseMembers(body)
	}
	t.readable = claims != nil
	t.issuer, t.Subject = claims.text("iss"), tokenfile.Account(claims.text("sub"))
	t.Name, t.Email = tokenfile.Bounded(claims.text("name")), tokenfile.Bounded(claims.text("email"))
	if json.Unmarshal(claims["aud"], &t.audience) != nil {
		t.audience = []string{claims.text("aud")}
	}
	t.issued, t.expires = claims.date("iat"), claims.date("exp")
	return t
}

// chain is what the ID tokens of one login must agree with.
type chain struct {
	issuer, client string
	subject        string // "" at its first
}

// contradicts is what makes an ID token wrong, whatever its signature.
func (c chain) contradicts(t IDToken) error {
	google := c.issuer == "https://accounts.google.com" && t.issuer == "accounts.google.com" // go-oidc knows it too
	switch {
	case strings.EqualFold(t.Algorithm, "none"):
		return errors.New("its ID token is not signed")
	case len(t.Algorithm) > 2 && strings.EqualFold(t.Algorithm[:2], "HS"):
		return errors.New("its ID token is signed by a shared secret")
	case !t.readable:
		return nil
	case t.issuer != c.issuer && !google:
		return errors.New("its ID token names another issuer")
	case !slices.Contains(t.audience, c.client):
		return errors.New("its ID token is for another client")
	case c.subject != "" && t.Subject != c.subject:
		return errors.New("its ID token is for another account")
	}
	return nil
}

// Verdict is what was found out about an ID token: verified, wrong or in doubt. The zero
// value is that there was none.
type Verdict struct {
	Token   IDToken // whose it is counts only where it is verified
	Wrong   error   // it is not to be trusted, and neither is what came with it
	Doubt   error   // nothing speaks against it, and no key for it
	checked bool
}

// Verified reports whether a key of the issuer's verifies the token, and nothing speaks
// against it. Nothing is learned from any other.
func (v Verdict) Verified() bool { return v.checked && v.Wrong == nil && v.Doubt == nil }

// Subject is the account that was proved, "" where none was.
func (v Verdict) Subject() string {
	if !v.Verified() {
		return ""
	}
	return v.Token.Subject
}

// judge says what an ID token is worth; unsigned is why no key verifies it.
func judge(t IDToken, unsigned error, c chain) Verdict {
	v := Verdict{Token: t, checked: true, Wrong: c.contradicts(t)}
	switch {
	case v.Wrong != nil:
	case !t.readable:
		v.Doubt = errors.New("it cannot be read")
	case unsigned != nil:
		v.Doubt = unsigned
	case !t.timely():
		v.Doubt = errors.New("its times do not fit this machine's clock")
	}
	return v
}

// timely compares its times with the clock at which it came. That may have been set since,
// so the clock as it stands now counts too.
func (t IDToken) timely() bool {
	return t.timelyAt(t.arrived.Round(0)) || t.timelyAt(clock.Now().Add(-clock.Now().Sub(t.arrived)))
}

func (t IDToken) timelyAt(at time.Time) bool {
	ahead, old := t.issued.Sub(at) > tokenfile.TolerableSkew, at.Sub(t.expires) > tokenfile.TolerableSkew
	return !ahead && (!old || t.expires.IsZero())
}

// chain is that of this issuer's login whose account is known so far, or not.
func (p *Provider) chain(subject string) chain { return chain{p.url, p.clientID, subject} }

// Contradicts says what makes an ID token wrong, whatever its signature: another
// issuer, client or account (where subject is not ""), no signature, or one by a
// shared secret. It asks nobody. A zero IDToken contradicts nothing.
func (p *Provider) Contradicts(t IDToken, subject string) error {
	return p.chain(subject).contradicts(t)
}

// Verify judges an ID token that came with an answer of the token endpoint (OpenID
// Connect Core §3.1.3.7). subject is the account that the login is known to be of,
// "" where none is. It takes httpx.SideTimeout at most: the keys are fetched where
// those that are here do not do. A ctx that ends leaves a doubt.
func (p *Provider) Verify(ctx context.Context, t IDToken, subject string) Verdict {
	c := p.chain(subject)
	if c.contradicts(t) != nil || !t.readable {
		return judge(t, nil, c)
	}
	ctx, cancel := clock.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	return judge(t, p.signed(ctx, t), c)
}

// signed looks for a key that verifies t: the one that it names, in the set that
// is here; then, in a set fetched anew, any of a fitting type, since the name is
// only a hint (RFC 7515 §4.1.4). Where there is no set any more, discovery says where it
// is now.
func (p *Provider) signed(ctx context.Context, t IDToken) error {
	if !slices.Contains(asymmetric, t.Algorithm) {
		return errors.New("its algorithm is not known here")
	}
	known := p.found.Load()
	if known == nil {
		return errors.New("the address of the issuer's keys is not known yet")
	}
	if p.signedByOne(ctx, t, known.keys.named(t.Key, t.Algorithm)) {
		return nil
	}
	keys, err := known.keys.anew(ctx, t.Algorithm)
	if errors.As(err, &nothingThere{}) {
		p.doubt()
		p.Discover(ctx) // where that fails, the first error is the better one
		if now := p.found.Load(); now.Keys != known.Keys {
			keys, err = now.keys.anew(ctx, t.Algorithm)
		}
	}
	if err != nil {
		return fmt.Errorf("the issuer's keys could not be fetched: %w", err)
	}
	if !p.signedByOne(ctx, t, keys) {
		return errors.New("none of the issuer's keys verifies it")
	}
	return nil
}

func (p *Provider) signedByOne(ctx context.Context, t IDToken, keys []crypto.PublicKey) bool {
	verifier := oidc.NewVerifier(p.url, &oidc.StaticKeySet{PublicKeys: keys},
		&oidc.Config{ClientID: p.clientID, SupportedSigningAlgs: asymmetric, SkipExpiryCheck: true}) // timely looks at it
	_, err := verifier.Verify(ctx, t.raw)
	return err == nil
}
