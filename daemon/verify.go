package daemon

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
)

// An ID token is verified, in doubt, or wrong (R10). Wrong is what names another
// issuer, client or account than it must, or is signed by nobody or by a shared
// secret: that needs no key, so it is known before the answer is in its place.
// What no key verifies is only in doubt. It came over TLS from the token endpoint
// (OpenID Connect Core §3.1.3.7, 6), and who can forge that answer can leave its
// ID token out: keys that lag, move or are written oddly must not end a login.

// asymmetric are the algorithms that go-oidc knows.
var asymmetric = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// idToken is an ID token as it was read, which says nothing of its signature.
type idToken struct {
	raw     string
	arrived time.Time

	key, algorithm  string // of its header: kid and alg
	readable        bool   // else nobody can tell what it claims: it is encrypted, or none at all
	issuer          string
	audience        []string
	subject         string
	issued, expires time.Time
	name, email     string
}

// String keeps the token out of anything that prints it by accident (R12).
func (t idToken) String() string { return "idToken(***)" }

// GoString does the same for %#v.
func (t idToken) GoString() string { return t.String() }

// parseIDToken takes the compact form (RFC 7515 §7.1) apart. A member of another
// type than it must be counts as missing.
func parseIDToken(raw string, arrived time.Time) idToken {
	t := idToken{raw: raw, arrived: arrived}
	parts := strings.Split(raw, ".")
	header := parseMembers(parts[0])
	t.key, t.algorithm = header.text("kid"), header.text("alg")
	var claims members
	if len(parts) == 3 {
		claims = parseMembers(parts[1])
	}
	t.readable = claims != nil
	t.issuer, t.subject = claims.text("iss"), claims.text("sub")
	t.name, t.email = claims.text("name"), claims.text("email")
	if json.Unmarshal(claims["aud"], &t.audience) != nil {
		t.audience = []string{claims.text("aud")}
	}
	t.issued, t.expires = claims.date("iat"), claims.date("exp")
	return t
}

// parseMembers returns nil for what is no object.
func parseMembers(segment string) (m members) {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return nil
	}
	return m
}

func (m members) date(name string) time.Time {
	var d numDate
	if m[name] == nil || json.Unmarshal(m[name], &d) != nil {
		return time.Time{}
	}
	return d.Time
}

// chain is what the ID tokens of one login must agree with.
type chain struct {
	issuer, client string
	subject        string // "" at its first
}

// contradicts is what makes an ID token wrong, whatever its signature.
func (c chain) contradicts(t idToken) error {
	google := c.issuer == "https://accounts.google.com" && t.issuer == "accounts.google.com" // go-oidc knows it too
	switch {
	case strings.EqualFold(t.algorithm, "none"):
		return errors.New("its ID token is not signed")
	case len(t.algorithm) > 2 && strings.EqualFold(t.algorithm[:2], "HS"):
		return errors.New("its ID token is signed by a shared secret")
	case !t.readable:
		return nil
	case t.issuer != c.issuer && !google:
		return errors.New("its ID token names another issuer")
	case !slices.Contains(t.audience, c.client):
		return errors.New("its ID token is for another client")
	case c.subject != "" && t.subject != c.subject:
		return errors.New("its ID token is for another account")
	}
	return nil
}

// verdict is what was found of an ID token. Its zero value: there was none.
type verdict struct {
	token   idToken // whose it is counts only where it is verified
	wrong   error   // it is not to be trusted
	doubt   error   // nothing speaks against it, and no key for it
	checked bool
}

// verified is all that anything is learned from.
func (v verdict) verified() bool { return v.checked && v.wrong == nil && v.doubt == nil }

// subject is the account that was proved, "" where none was.
func (v verdict) subject() string {
	if !v.verified() {
		return ""
	}
	return v.token.subject
}

// judge says what an ID token is worth; unsigned is why no key verifies it.
func judge(t idToken, unsigned error, c chain) verdict {
	v := verdict{token: t, checked: true, wrong: c.contradicts(t)}
	switch {
	case v.wrong != nil:
	case !t.readable:
		v.doubt = errors.New("it cannot be read")
	case unsigned != nil:
		v.doubt = unsigned
	case !t.timely():
		v.doubt = errors.New("its times and this machine's clock do not agree")
	}
	return v
}

// timely compares its times with the clock at which it came. That may have been
// set since, so it is also looked at as it stands now.
func (t idToken) timely() bool {
	return t.timelyAt(t.arrived.Round(0)) || t.timelyAt(time.Now().Add(-time.Since(t.arrived)))
}

func (t idToken) timelyAt(at time.Time) bool {
	ahead, old := t.issued.Sub(at) > tolerableSkew, at.Sub(t.expires) > tolerableSkew
	return !ahead && (!old || t.expires.IsZero())
}

// chain is that of this issuer's login whose account is known so far, or not.
func (i *issuer) chain(subject string) chain { return chain{i.url, i.clientID, subject} }

// verify judges an ID token (OpenID Connect Core §3.1.3.7). It may take
// sideTimeout: the keys are fetched where those that are here do not do.
func (i *issuer) verify(ctx context.Context, t idToken, subject string) verdict {
	c := i.chain(subject)
	if c.contradicts(t) != nil || !t.readable {
		return judge(t, nil, c)
	}
	return judge(t, i.signed(ctx, t), c)
}

// signed looks for a key that verifies t: the one that it names, in the set that
// is here; then, in a set fetched anew, any of a fitting type, since the name is
// only a hint (RFC 7515 §4.1.4).
func (i *issuer) signed(ctx context.Context, t idToken) error {
	if !slices.Contains(asymmetric, t.algorithm) {
		return errors.New("its algorithm is not known here")
	}
	i.mu.Lock()
	set := i.keys
	i.mu.Unlock()
	if set == nil {
		return errors.New("where the issuer's keys are is not known")
	}
	if i.signedByOne(ctx, t, set.named(t.key, t.algorithm)) {
		return nil
	}
	keys, err := set.anew(ctx, t.algorithm)
	if err != nil {
		return fmt.Errorf("the issuer's keys could not be fetched: %w", err)
	}
	if !i.signedByOne(ctx, t, keys) {
		return errors.New("none of the issuer's keys verifies it")
	}
	return nil
}

func (i *issuer) signedByOne(ctx context.Context, t idToken, keys []crypto.PublicKey) bool {
	verifier := oidc.NewVerifier(i.url, &oidc.StaticKeySet{PublicKeys: keys},
		&oidc.Config{ClientID: i.clientID, SupportedSigningAlgs: asymmetric, SkipExpiryCheck: true}) // timely looks at it
	_, err := verifier.Verify(ctx, t.raw)
	return err == nil
}
