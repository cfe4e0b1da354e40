package tokenfile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
)

// claims are the members of an access token (a JWT, RFC 7519) that decide
// when it is replaced. They are read, not verified: whoever can write the
// token file can write them.
type claims struct {
	Subject string  `json:"sub"`
	Issued  numDate `json:"iat"`
	Expiry  numDate `json:"exp"`
}

type numDate struct{ time.Time }

// lastMoment is the end of the year 9998, in s since 1970: a later one has no form in JSON (RFC
// 3339 has four digits for a year), so neither status nor the history could say it.
const lastMoment = 253370764799

// UnmarshalJSON reads a NumericDate (RFC 7519 §2): seconds, maybe a fraction.
func (n *numDate) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds <= 0 || seconds > 1<<40 {
		return errors.New("a date out of range")
	}
	n.Time = time.UnixMilli(int64(min(seconds, lastMoment) * 1000))
	return nil
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
func IssuerOf(jwt string) string {
	body, _ := Payload(jwt)
	var c struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(body, &c) != nil {
		return ""
	}
	return c.Issuer
}

// parseClaims reports false where the token is not a JWT with an expiry:
// such a token counts as expired.
func parseClaims(jwt string) (claims, bool) {
	body, ok := Payload(jwt)
	var c claims
	if !ok || json.Unmarshal(body, &c) != nil || c.Expiry.IsZero() {
		return claims{}, false
	}
	return c, true
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
	c, ok := parseClaims(p.Access)
	t := Token{TokenPair: p, Subject: c.Subject, Issuer: IssuerOf(p.Access), Issued: c.Issued.Time}
	if !ok {
		return t
	}
	issued := c.Issued.Time
	if issued.IsZero() || issued.After(c.Expiry.Time) {
		issued = now
	}
	if issued.After(c.Expiry.Time) {
		issued = c.Expiry.Time // it has run out, and is due since then
	}
	t.Expires = c.Expiry.Time
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

// DatedReply dates a pair that the issuer has just sent. Where the two clocks
// disagree, only the length of its life is taken from the token: otherwise a
// clock that is ahead would see every new token as expired and ask for ever.
// skew is how far our clock is ahead, 0 where that is tolerable. lifetime is what the
// reply said, 0 where it said nothing.
func DatedReply(p TokenPair, lifetime time.Duration, now time.Time) (t Token, skew time.Duration) {
	t = Dated(p, now)
	c, readable := parseClaims(p.Access)
	switch {
	case readable && !c.Issued.IsZero():
		skew = now.Sub(c.Issued.Time)
		if skew.Abs() < TolerableSkew {
			return t, 0
		}
		lifetime = c.Expiry.Sub(c.Issued.Time)
	case readable && now.Before(t.Expires):
		return t, 0
	}
	if lifetime <= 0 {
		lifetime = assumedLifetime
	}
	t.Expires = now.Add(lifetime)
	t.RefreshAt = halfway(now, t.Expires)
	return t, skew
}
