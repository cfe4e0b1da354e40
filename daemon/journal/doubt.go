package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
)

// Doubted is what falcred.json keeps about a login whose newest ID token no key of the
// issuer verifies yet, for other processes and the next start. What the issuer sent is
// bounded and printable in it. The zero value is no doubt. It is a value, like
// the [Ledger] that it stands in.
type Doubted struct {
	Login     string    // fingerprint of the refresh token that it came with, or that followed
	Since     time.Time // the login has not been verified
	Rotations int       // that brought nothing better
	Cause     string
	Key       string // the ID token's kid
	Algorithm string // the ID token's alg
	Keys      string // the URL of the issuer's keys
}

// Of reports whether the doubt is about the login of that refresh token.
func (d Doubted) Of(refresh string) bool {
	return refresh != "" && d.Login == tokenfile.Fingerprint(refresh)
}

// step goes on to the next refresh token of the login.
func (d Doubted) step(from, to string) Doubted {
	if !d.Of(from) {
		return Doubted{}
	}
	d.Login = tokenfile.Fingerprint(to)
	return d
}

// Again is the doubt after one more ID token, of the same login or a first one, that no
// key verifies: why, its key and algorithm, and where the issuer's keys are.
func (d Doubted) Again(refresh string, cause, key, algorithm, keys string, now time.Time) Doubted {
	if !d.Of(refresh) {
		d = Doubted{Login: tokenfile.Fingerprint(refresh), Since: now.UTC().Truncate(time.Second)}
	}
	d.Cause = cause
	d.Key, d.Algorithm, d.Keys = Bounded(key), Bounded(algorithm), Bounded(keys)
	return d
}

// Warning is the doubt as status and the log have it.
func (d Doubted) Warning() string {
	return fmt.Sprintf("the login's newest ID token is unverified: %s (key %q, algorithm %q); the login works all the same, under the name that was known before",
		d.Cause, d.Key, d.Algorithm)
}

// Bounded makes an issuer's text fit for a file of ours and a terminal: at most 200
// bytes, and printable ASCII.
func Bounded(text string) string {
	const most = 200
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), most)])
}

// Fingerprints are a short list of tokens, the newest last.
type Fingerprints []string

// with adds some. A wrong answer is the last of its login, so few are ever there;
// the oldest go.
func (f Fingerprints) with(prints ...string) Fingerprints {
	const most = 16
	for _, print := range prints {
		if !slices.Contains(f, print) {
			f = append(slices.Clip(f), print) // the list that f was is another's too
		}
	}
	return f[max(0, len(f)-most):]
}
