package tokenfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// TokenPair is what the token file holds: line 1 the refresh token, line 2 the
// access token, which may be missing (`fal auth login` writes line 1 only). Its zero
// value is no login.
type TokenPair struct {
	Refresh string `json:"-"` // nor does encoding/json print a token by accident
	Access  string `json:"-"`
}

// String keeps the tokens out of anything that prints a TokenPair by accident.
func (p TokenPair) String() string { return "TokenPair(***)" }

// GoString does the same for %#v.
func (p TokenPair) GoString() string { return p.String() }

// The errors of [Parse].
var (
	ErrEmpty     = errors.New("the token file is empty")
	ErrNotTokens = errors.New("the token file does not hold tokens (control bytes or binary data)")
)

// Parse reads the token file's form as the SDK does: lines are trimmed
// and blank ones skipped. Tokens are visible ASCII (RFC 6749, appendix A). The error is
// [ErrEmpty] or [ErrNotTokens].
func Parse(data []byte) (TokenPair, error) {
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return TokenPair{}, ErrEmpty
	}
	p := TokenPair{Refresh: lines[0]}
	if len(lines) > 1 {
		p.Access = lines[1]
	}
	if !Printable(p.Refresh) || !Printable(p.Access) {
		return TokenPair{}, ErrNotTokens
	}
	return p, nil
}

// Bytes is the inverse of [Parse]: no trailing newline, as the neighbours write it.
func (p TokenPair) Bytes() []byte {
	if p.Access == "" {
		return []byte(p.Refresh)
	}
	return []byte(p.Refresh + "\n" + p.Access)
}

// Printable says whether a token consists of visible ASCII only, as "" does.
func Printable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return true
}

// Fingerprint names a token where the token itself must not stand: in file names, and in the
// ledger. It is the first 16 bytes of the SHA-256, in hexadecimal. Tokens are random, so a
// hash says nothing about them.
func Fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}
