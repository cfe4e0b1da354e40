package daemon

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// pair is what the token file holds: line 1 the refresh token, line 2 the
// access token, which may be missing (`fal auth login` writes line 1 only).
type pair struct {
	refresh string
	access  string
}

// String keeps tokens out of anything that prints a pair by accident (R12).
func (p pair) String() string { return "pair(***)" }

// GoString does the same for %#v.
func (p pair) GoString() string { return p.String() }

var (
	errEmptyFile = errors.New("the token file is empty")
	errNotTokens = errors.New("the token file does not hold tokens (control bytes or binary data)")
)

// parsePair reads the token file's form as the SDK does: lines are trimmed
// and blank ones skipped. Tokens are visible ASCII (RFC 6749, appendix A).
func parsePair(data []byte) (pair, error) {
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return pair{}, errEmptyFile
	}
	p := pair{refresh: lines[0]}
	if len(lines) > 1 {
		p.access = lines[1]
	}
	if !visible(p.refresh) || !visible(p.access) {
		return pair{}, errNotTokens
	}
	return p, nil
}

// format is the inverse: no trailing newline, as the neighbours write it.
func (p pair) format() []byte {
	if p.access == "" {
		return []byte(p.refresh)
	}
	return []byte(p.refresh + "\n" + p.access)
}

func visible(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return true
}

// fingerprint names a token where the token itself must not stand: in file
// names, in the state file and in logs. Tokens are random, so a hash says
// nothing about them.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

// claims are the members of an access token (a JWT, RFC 7519) that decide
// when it is replaced. They are read, not verified: whoever can write the
// token file can write them.
type claims struct {
	Subject string  `json:"sub"`
	Issued  numDate `json:"iat"`
	Expiry  numDate `json:"exp"`
}

type numDate struct{ time.Time }

// UnmarshalJSON reads a NumericDate (RFC 7519 §2): seconds, maybe a fraction.
func (n *numDate) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds <= 0 || seconds > 1<<40 {
		return errors.New("a date out of range")
	}
	n.Time = time.UnixMilli(int64(seconds * 1000))
	return nil
}

// payload is the middle of a JWT, unverified.
func payload(jwt string) (body []byte, ok bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return body, err == nil
}

// issuerOf is who has issued a token, by its own words, "" where they cannot be
// read. It asks for nothing else of the token: one without an expiry has an issuer
// too (R13).
func issuerOf(jwt string) string {
	body, _ := payload(jwt)
	var c struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(body, &c) != nil {
		return ""
	}
	return c.Issuer
}

// parseClaims reports false where the token is not a JWT with an expiry:
// such a token counts as expired (DESIGN §2).
func parseClaims(jwt string) (claims, bool) {
	body, ok := payload(jwt)
	var c claims
	if !ok || json.Unmarshal(body, &c) != nil || c.Expiry.IsZero() {
		return claims{}, false
	}
	return c, true
}

// token is a pair with the times that follow from its access token.
type token struct {
	pair
	subject string
	issuer  string    // the access token's iss, "" where it cannot be read
	expires time.Time // zero: no usable access token
	renew   time.Time // R2: half of the lifetime
}

func (t token) valid(now time.Time) bool { return t.access != "" && left(t.expires, now) > 0 }

// fresh is R3's word for "nothing to do yet".
func (t token) fresh(now time.Time) bool { return t.valid(now) && left(t.renew, now) > 0 }

// left is the time until then, by the clock that has less of it. A moment that
// was counted from our own clock (fromReply) has two readings: the monotonic one
// misses the time that the machine slept, the wall's can be turned back.
func left(until, now time.Time) time.Duration {
	return min(until.Sub(now), until.Round(0).Sub(now.Round(0)))
}

// onWall is a moment as people and clients are told it: on the wall clock as it
// stands now, which may have been set since the moment was counted.
func onWall(t, now time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return now.Add(left(t, now)).UTC().Truncate(time.Second)
}

// fromFile dates a pair found in the file by its own claims.
func fromFile(p pair, now time.Time) token {
	c, ok := parseClaims(p.access)
	t := token{pair: p, subject: c.Subject, issuer: issuerOf(p.access)}
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
	t.expires = c.Expiry.Time
	t.renew = issued.Add(t.expires.Sub(issued) / 2)
	return t
}

const (
	// assumedLifetime serves an opaque access token whose reply named no
	// lifetime (RFC 6749 §5.1 only recommends expires_in).
	assumedLifetime = time.Hour
	// tolerableSkew is how far our clock may be from the issuer's before
	// the token's own times are no longer compared with it.
	tolerableSkew = time.Minute
)

// fromReply dates a pair that the issuer has just sent. Where the two clocks
// disagree, only the length of its life is taken from the token: otherwise a
// clock that is ahead would see every new token as expired and ask for ever.
// skew is how far our clock is ahead.
func fromReply(p pair, lifetime time.Duration, now time.Time) (t token, skew time.Duration) {
	t = fromFile(p, now)
	c, readable := parseClaims(p.access)
	switch {
	case readable && !c.Issued.IsZero():
		skew = now.Sub(c.Issued.Time)
		if skew.Abs() < tolerableSkew {
			return t, 0
		}
		lifetime = c.Expiry.Sub(c.Issued.Time)
	case readable && now.Before(t.expires):
		return t, 0
	}
	if lifetime <= 0 {
		lifetime = assumedLifetime
	}
	t.expires = now.Add(lifetime)
	t.renew = now.Add(lifetime / 2)
	return t, skew
}
