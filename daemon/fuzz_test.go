package daemon

import (
	"bytes"
	"strings"
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
		p, err := parsePair(data)
		if err != nil {
			return
		}
		again, err := parsePair(p.format())
		if err != nil || again != p || p.refresh == "" {
			t.Fatalf("%q became %q: %v", data, p.format(), err)
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
		token := fromFile(pair{"r", jwt}, now)
		if !token.expires.IsZero() && token.renew.After(token.expires) {
			t.Fatalf("renewed at %v, expired at %v", token.renew, token.expires)
		}
		token, _ = fromReply(pair{"r", jwt}, time.Hour, now)
		if jwt != "" && !token.expires.After(now) && token.fresh(now) {
			t.Fatal("expired and fresh")
		}
	})
}

// An issuer's answer, whole or cut: never a panic, and what a cut answer still
// gives, the whole one gives too.
func FuzzScanObject(f *testing.F) {
	f.Add([]byte(`{"refresh_token":"r","access_token":"a","expires_in":3600}`), 20)
	f.Add([]byte(`{"error":"invalid_grant","x":{"y":[1,2]}}`), 5)
	f.Add([]byte(`[]`), 1)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		whole, complete := scanObject(body)
		if !complete || cut < 0 || cut > len(body) {
			return
		}
		part, _ := scanObject(body[:cut])
		for name := range part {
			if _, ok := whole[name]; !ok {
				t.Fatalf("a cut answer has %q, the whole one has not", name)
			}
		}
	})
}

// falcred.env: an error never quotes a line, which may hold a key (R12).
func FuzzParseEnv(f *testing.F) {
	f.Add("A=b\n# c\nexport D='e f'\n")
	f.Add("FAL_KEY SECRETSECRET")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := parseEnv(text)
		for _, v := range vars {
			if !envName(v[0]) || strings.ContainsRune(v[1], 0) {
				t.Fatalf("accepted %q", v)
			}
		}
		if err != nil && len(err.Error()) > 60 {
			t.Fatalf("the error quotes its line: %v", err)
		}
	})
}

// A place's content, whatever a crash or a power cut has left: an answer is
// either exactly what was recorded, or none.
func FuzzPlaceAnswer(f *testing.F) {
	f.Add("refresh", "access", 3, byte(0))
	f.Add("r", "", 1, byte('x'))
	f.Fuzz(func(t *testing.T, refresh, access string, at int, flip byte) {
		want, err := parsePair(pair{refresh, access}.format())
		if err != nil || len(want.format()) > maxTokenFile || want != (pair{refresh, access}) {
			return
		}
		p, err := openPlace(t.TempDir()+"/auth0_token", "spent")
		if err != nil {
			t.Fatal(err)
		}
		defer p.discard()
		if err := p.record(want); err != nil {
			t.Fatal(err)
		}
		if got, ok := p.answer(); !ok || got != want {
			t.Fatalf("recorded %q, read %q", want.format(), got.format())
		}
		data := want.format()
		if at < 0 || at >= len(data) || data[at] == flip {
			return
		}
		p.file.WriteAt([]byte{flip}, int64(at)) // torn
		if got, ok := p.answer(); ok && bytes.Equal(got.format(), data) {
			t.Fatal("a torn answer was read as the recorded one")
		} else if ok {
			t.Fatalf("a torn answer was believed: %q", got.format())
		}
	})
}
