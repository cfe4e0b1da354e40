package protocol

import "testing"

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
		key, ok := KeyFromEnv(env(tt.env...))
		if key.Secret != tt.secret || key.Source != tt.source || ok != (tt.secret != "") || ForceUser(env(tt.env...)) != tt.forced {
			t.Errorf("%q: %q from %q, %t", tt.env, key.Secret, key.Source, ok)
		}
	}
}
