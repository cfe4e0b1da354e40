package env

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestKeyRule_Section5(t *testing.T) {
	for _, tt := range []struct {
		env    []string
		secret string
		source string
		forced bool
	}{
		{},
		{env: []string{"FAL_KEY", "k"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "k", "FAL_KEY_ID", "i", "FAL_KEY_SECRET", "s"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "", "FAL_KEY_ID", "i", "FAL_KEY_SECRET", "s"}, secret: "i:s", source: "FAL_KEY_ID and FAL_KEY_SECRET"},
		{env: []string{"FAL_KEY_ID", "i"}},
		{env: []string{"FAL_KEY_SECRET", "s"}},
		{env: []string{"FAL_KEY_ID", "i", "FAL_KEY_SECRET", ""}},
		{env: []string{"FAL_KEY", ""}},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "1"}, forced: true},
		{env: []string{"FAL_KEY_ID", "i", "FAL_KEY_SECRET", "s", "FAL_FORCE_AUTH_BY_USER", "1"}, forced: true},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "true"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "0"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", " 1"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "11"}, secret: "k", source: "FAL_KEY"},
		{env: []string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", ""}, secret: "k", source: "FAL_KEY"},
	} {
		key, ok := FindKey(env(tt.env...))
		if string(key.Secret) != tt.secret || key.Source != tt.source || ok != (tt.secret != "") || ForceUser(env(tt.env...)) != tt.forced {
			t.Errorf("%q: %q from %q, %t", tt.env, string(key.Secret), key.Source, ok)
		}
	}
}

// §5: a key that no header can hold is named by its variable, if it is the one that counts.
func TestOddKey_Section5(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{"FAL_KEY", "id:secret"}, ""},
		{[]string{"FAL_KEY", " id:secret with spaces "}, ""},
		{[]string{"FAL_KEY", "id:secret\n"}, "FAL_KEY"},
		{[]string{"FAL_KEY", "id\tx:secret"}, "FAL_KEY"},
		{[]string{"FAL_KEY", "\x01"}, "FAL_KEY"},
		{[]string{"FAL_KEY", "\x7f"}, "FAL_KEY"},
		{[]string{"FAL_KEY", "\xff"}, "FAL_KEY"},
		{[]string{"FAL_KEY_ID", "a\r", "FAL_KEY_SECRET", "b"}, "FAL_KEY_ID"},
		{[]string{"FAL_KEY_ID", "a", "FAL_KEY_SECRET", "b\n"}, "FAL_KEY_SECRET"},
		{[]string{"FAL_KEY", "id:secret", "FAL_KEY_ID", "a\r", "FAL_KEY_SECRET", "b"}, ""},
		{[]string{"FAL_KEY_ID", "a\r"}, ""},
		{[]string{"FAL_KEY", "a\n", "FAL_FORCE_AUTH_BY_USER", "1"}, ""},
	} {
		if got := OddKey(env(tt.env...)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.env, got, tt.want)
		}
	}
}

func TestNothingPrintsAKey_S4_R12(t *testing.T) {
	const secret = "s3cr3t"
	key, ok := FindKey(env("FAL_KEY_ID", secret, "FAL_KEY_SECRET", secret))
	if !ok {
		t.Fatal("no key")
	}
	for _, v := range []any{key, &key, Key{Source: secret}, map[string]Key{"a": key}, []*Key{&key}, struct{ K Key }{key}, []any{&key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) || strings.Contains(got, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T shows it: %s", verb, v, got)
			}
		}
		if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("JSON of %T shows it: %s, %v", v, text, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		if strings.Contains(log.String(), secret) {
			t.Errorf("slog of %T shows it: %s", v, log.String())
		}
	}
}

// B7: what is no key of fal's is served as it stands, and warned about. Its value is in no text.
func TestDoubtfulKey_Section5(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{"FAL_KEY", "id:secret"}, ""},
		{[]string{"FAL_KEY", "eyJid:secret"}, ""},
		{[]string{"FAL_KEY_ID", "id", "FAL_KEY_SECRET", "secret"}, ""},
		{[]string{"FAL_KEY", "eyJhbGciOi.secret.sig"}, "is a login's token"},
		{[]string{"FAL_KEY", "secret"}, `has no ":" in it`},
		{[]string{"FAL_KEY", "Key id:secret"}, `begins with the word "Key"`},
		{[]string{"FAL_KEY", " bearer secret"}, `begins with the word "bearer"`},
		{[]string{"FAL_KEY", "id:secret "}, "begins or ends with a space"},
		{[]string{"FAL_KEY", `"id:secret"`}, "begins or ends with a space or a quotation mark"},
		{[]string{"FAL_KEY_ID", "'id", "FAL_KEY_SECRET", "secret"}, "FAL_KEY_ID and FAL_KEY_SECRET begins or ends"},
		{[]string{"FAL_KEY", "secret", "FAL_FORCE_AUTH_BY_USER", "1"}, ""},
	} {
		key, _ := FindKey(env(tt.env...))
		got := key.Doubt()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || strings.Contains(got, "secret") || got != "" && strings.Count(got, "\n") != 1 {
			t.Errorf("%q: %q, not %q", tt.env, got, tt.want)
		}
	}
}
