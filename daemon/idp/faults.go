package idp

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Faults in time.

func DelayBefore(d time.Duration) Fault { return Fault{Name: "delay before commit", Before: For(d)} }
func DelayAfter(d time.Duration) Fault  { return Fault{Name: "delay after commit", After: For(d)} }
func HangBefore() Fault                 { return Fault{Name: "hang before commit", Before: Forever} }
func HangAfter() Fault                  { return Fault{Name: "hang after commit", After: Forever} }

// Faults of the connection.

// Refuse closes the connection at once: nothing is committed.
func Refuse() Fault { return Fault{Name: "refuse", NoCommit: true, Delivery: Silent} }

// Lose commits and closes the connection with no byte written.
func Lose() Fault { return Fault{Name: "reply lost", Delivery: Silent} }

// Cut commits and closes the connection in the middle of the body, before the refresh token.
func Cut() Fault { return Fault{Name: "reply cut", Delivery: Half} }

// Slow commits and writes byte by byte. A reply is some 1.5 KB: at a millisecond each that is 1.5 s.
func Slow(pace time.Duration) Fault { return Fault{Name: "slow reply", Delivery: Drip, Pace: pace} }

// Faults instead of a refresh: nothing is committed.

// Status answers plain text with that status.
func Status(code int) Fault {
	return answer("status", code, "text/plain; charset=utf-8", http.StatusText(code)+"\n")
}

// OAuthError answers an OAuth error that is none of the token's doing.
func OAuthError(status int, code string) Fault {
	return answer("oauth error "+code, status, "application/json", `{"error":"`+code+`"}`)
}

// TooMany answers 429; retryAfter is seconds or an HTTP date, as RFC 9110 section 10.2.3 has it, or empty.
func TooMany(retryAfter string) Fault {
	f := OAuthError(http.StatusTooManyRequests, "too_many_requests")
	if retryAfter != "" {
		f.Header.Set("Retry-After", retryAfter)
	}
	return f
}

// HTML answers a page: with 200 a captive portal's, with 5xx a proxy's.
func HTML(code int) Fault {
	return answer("html", code, "text/html; charset=utf-8", "<!doctype html><title>Welcome</title><p>Please sign in to the network.</p>\n")
}

// Redirect answers with that status (301, 302, 307, 308) and location, which nobody may follow.
func Redirect(code int, location string) Fault {
	f := answer("redirect", code, "text/plain; charset=utf-8", "")
	f.Header.Set("Location", location)
	return f
}

func answer(name string, status int, contentType, body string) Fault {
	return Fault{
		Name:     name + " " + strconv.Itoa(status),
		NoCommit: true,
		Status:   status,
		Header:   http.Header{"Content-Type": {contentType}},
		Body:     []byte(body),
	}
}

// Faults in the reply to a refresh that is committed.

// StatusAfter commits and then answers as Status does.
func StatusAfter(code int) Fault {
	f := Status(code)
	f.NoCommit = false
	f.Name += " after commit"
	return f
}

// Label sends the right JSON under that Content-Type, text/plain for one, which x/oauth2 then reads as a
// form.
func Label(contentType string) Fault {
	return Fault{Name: "labelled " + contentType, Header: http.Header{"Content-Type": {contentType}}}
}

// Without leaves a field (access_token, id_token, expires_in, …) out of the reply. The token is
// rotated, so leaving out refresh_token loses the login: NoRefreshToken is the provider that does not rotate.
func Without(field string) Fault {
	return Fault{Name: "without " + field, Mutate: func(m map[string]any) { delete(m, field) }}
}

// NoRefreshToken does not rotate: the token stays valid and none comes back.
func NoRefreshToken() Fault { return Fault{Name: "no refresh token", NoRotate: true} }

// Huge and HugeFirst send so many bytes of filler after the tokens, or before them, piece by piece.
func Huge(n int) Fault      { return Fault{Name: "huge", Delivery: Flood, Size: n} }
func HugeFirst(n int) Fault { return Fault{Name: "huge, tokens last", Delivery: FloodFirst, Size: n} }

// Faults in the ID token (R10). The access token is good, except that OtherSubject's is the other's too.

func WrongIssuer() Fault   { return wrongClaim("iss", "https://issuer.invalid/") }
func WrongAudience() Fault { return wrongClaim("aud", "another-client") }

func wrongClaim(claim, value string) Fault {
	return Fault{Name: "wrong " + claim, IDClaims: func(m map[string]any) { m[claim] = value }}
}

// OtherSubject issues the tokens to somebody else; the family stays whose it is.
func OtherSubject(sub string) Fault { return Fault{Name: "other subject", Subject: sub} }

// WrongSignature sends an ID token whose key ID is right and whose signature is not.
func WrongSignature() Fault {
	return Fault{Name: "wrong signature", Mutate: func(m map[string]any) {
		if token, ok := m["id_token"].(string); ok {
			i := strings.LastIndexByte(token, '.') + 1
			c := "A"
			if token[i] == 'A' {
				c = "B"
			}
			m["id_token"] = token[:i] + c + token[i+1:]
		}
	}}
}
