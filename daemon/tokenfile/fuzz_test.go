package tokenfile

import (
	"testing"
	"time"
)

// What parses is written back as the same pair: a restored file must not change
// a login.
func FuzzParsePair(f *testing.F) {
	for _, seed := range []string{"", "refresh", "refresh\naccess", "refresh\r\naccess\r\n\n", " r \n\n a \nthird", "\x00", "a b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(p.Bytes())
		if err != nil || again != p || p.Refresh == "" {
			t.Fatalf("%q became %q: %v", data, p.Bytes(), err)
		}
	})
}

// Claims never panic, and a token's times are in order.
func FuzzParseClaims(f *testing.F) {
	f.Add("a.eyJleHAiOjEsImlhdCI6MH0.c")
	f.Add("a.e30.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, jwt string) {
		now := time.Unix(1_700_000_000, 0)
		token := Dated(TokenPair{"r", jwt}, now)
		if !token.Expires.IsZero() && token.RefreshAt.After(token.Expires) {
			t.Fatalf("refreshed at %v, expired at %v", token.RefreshAt, token.Expires)
		}
		token, _ = DatedReply(TokenPair{"r", jwt}, time.Hour, now, now)
		if jwt != "" && !token.Expires.After(now) && token.Fresh(now) {
			t.Fatal("expired and fresh")
		}
	})
}
