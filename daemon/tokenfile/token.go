package tokenfile

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
)

// claims are the members of an access token (a JWT, RFC 7519) that decide
// when it is replaced, and by whom. They are read, not verified: whoever can write the
// token file can write them.
type claims struct {
	Subject string
	Issuer  string
	Client  string
	Issued  time.Time
	Expiry  time.Time
}

// Payload is the middle of a JWT, unverified.
func Payload(jwt string) (body []byte, ok bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return body, err == nil
}

// IssuerOf is who has issued a token, by its own iss claim, "" where that cannot be read. It
// is read, not verified. Nothing else of the token has to be right: one without an expiry has
// an issuer too.
func IssuerOf(jwt string) string { return parseClaims(jwt).Issuer }

// ClientOf is the client that a token was issued to, by its own client_id (RFC 9068 §2.2) or
// azp claim (OpenID Connect Core §2), "" where neither can be read. It is read, not verified.
func ClientOf(jwt string) string { return parseClaims(jwt).Client }

// parseClaims reads what can be read. A member that is missing, or of another type than
// it must be, spoils no other. Without an expiry a token counts as expired.
func parseClaims(jwt string) claims {
	body, ok := Payload(jwt)
	var members map[string]json.RawMessage
	if !ok || json.Unmarshal(body, &members) != nil {
		return claims{}
	}
	text := func(name string) (s string) {
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	client := cmp.Or(text("client_id"), text("azp"))
	if len(client) > maxName {
		client = ""
	}
	return claims{
		Subject: Account(text("sub")), Issuer: text("iss"), Client: client,
		Issued: clock.Date(string(members["iat"])), Expiry: clock.Date(string(members["exp"])),
	}
}

// maxName is the longest name of an account (OpenID Connect Core §2), or of a client, in bytes.
const maxName = 255

// Account is an account by the name that its issuer has for it, the claim sub; one that is too
// long for a name, by its hash: falcred.json holds it.
func Account(sub string) string {
	if len(sub) <= maxName {
		return sub
	}
	return "sha256:" + Fingerprint(sub)
}

// Bounded is a name or an address as an issuer has it, cut to what is shown of it: falcred.json holds it.
func Bounded(name string) string {
	name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
	return strings.TrimSpace(name)
}

// Token is a pair with the times that follow from its access token, which are read and
// not verified.
type Token struct {
	TokenPair
	Subject   string    // the access token's sub
	Issuer    string    // its iss, "" where it cannot be read
	Issued    time.Time // its iat, zero where it cannot be read
	Expires   time.Time // zero: no usable access token
	RefreshAt time.Time // when it is to be refreshed: at half of its life
}

// Valid reports whether the access token can be used now.
func (t Token) Valid(now time.Time) bool {
	return t.Access != "" && clock.Remaining(t.Expires, now) > 0
}

// Fresh reports whether nothing has to be done about the token yet: less than half of its
// life is over.
func (t Token) Fresh(now time.Time) bool {
	return t.Valid(now) && clock.Remaining(t.RefreshAt, now) > 0
}

// tolerableAge is how much older than the token held one of the same account may be
// and still be new: issuers have several machines, with clocks of their own.
const tolerableAge = 5 * time.Minute

// CopiedBefore reports whether t is an old copy of the login held, by its access token: the
// access tokens of one login only get younger, whoever refreshes it.
func (t Token) CopiedBefore(held Token) bool {
	return t.SameAccount(held) && held.Issued.Sub(t.Issued) > tolerableAge
}

// SameAccount reports whether both access tokens name the same account, and when they were
// issued.
func (t Token) SameAccount(other Token) bool {
	return t.Subject != "" && t.Subject == other.Subject && SameIssuer(t.Issuer, other.Issuer) &&
		!t.Issued.IsZero() && !other.Issued.IsZero()
}

// SameIssuer compares the names of two issuers, but for a slash at the end: fal's ends with
// one, and people leave it off.
func SameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// halfway is when a token is refreshed that lives from one moment to another: at half of
// its life (R2). The doctor's shortestLifetime follows from it.
func halfway(from, to time.Time) time.Time { return from.Add(to.Sub(from) / 2) }

// Dated dates a pair found in the file by its own claims. Where they cannot be read, or
// name no expiry, it counts as expired.
func Dated(p TokenPair, now time.Time) Token {
	c := parseClaims(p.Access)
	t := Token{TokenPair: p, Subject: c.Subject, Issuer: c.Issuer, Issued: c.Issued}
	if c.Expiry.IsZero() {
		return t
	}
	issued := c.Issued
	if issued.IsZero() || issued.After(c.Expiry) {
		issued = now
	}
	if issued.After(c.Expiry) {
		issued = c.Expiry // it has run out, and is due since then
	}
	t.Expires = c.Expiry
	t.RefreshAt = halfway(issued, t.Expires)
	return t
}

const (
	// assumedLifetime serves an opaque access token whose reply named no
	// lifetime (RFC 6749 §5.1 only recommends expires_in).
	assumedLifetime = time.Hour
	// TolerableSkew is how far our clock may be from the issuer's before
	// the token's own times are no longer compared with it.
	TolerableSkew = time.Minute
)

// DatedReply dates a pair that the issuer has just sent, and that was asked for a moment ago, or
// before the machine slept. Where the two clocks
// disagree, only the length of its life is taken from the token: otherwise a
// clock that is ahead would see every new token as expired and ask for ever.
// skew is how far our clock is ahead, 0 where that is tolerable. lifetime is what the
// reply said, 0 where it said nothing.
func DatedReply(p TokenPair, lifetime time.Duration, asked, now time.Time) (t Token, skew time.Duration) {
	onItsWay := now.Round(0).Sub(asked.Round(0)) // by the wall clock, which goes on in a sleep
	if onItsWay < TolerableSkew {
		onItsWay = 0
	}
	t = Dated(p, now)
	c := parseClaims(p.Access)
	readable := !c.Expiry.IsZero()
	switch {
	case readable && !c.Issued.IsZero():
		skew = now.Sub(c.Issued)
		if -TolerableSkew < skew && skew < onItsWay+TolerableSkew {
			return t, 0
		}
		lifetime = c.Expiry.Sub(c.Issued)
	case readable && now.Before(t.Expires):
		return t, 0
	}
	if lifetime <= 0 {
		lifetime = assumedLifetime
	}
	issued := now.Add(-onItsWay)
	t.Expires = issued.Add(lifetime)
	t.RefreshAt = halfway(issued, t.Expires)
	return t, skew
}
