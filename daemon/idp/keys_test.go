package idp_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/falcred/falcred/daemon/idp"
)

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Discovery names the algorithm, and go-oidc verifies by it; a change of it while the provider runs is
// a new key beside the old one.
func TestAlgorithms(t *testing.T) {
	s := start(t, idp.Config{})
	_, _, first := s.Login("auth0|a")
	for _, algorithm := range algorithms {
		s.SetConfig(func(c *idp.Config) { c.Algorithm = algorithm })
		provider, err := oidc.NewProvider(t.Context(), s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _, raw := s.Login("auth0|a")
		if _, err := provider.Verifier(&oidc.Config{ClientID: "test-client"}).Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		old := provider.Verifier(&oidc.Config{ClientID: "test-client", SupportedSigningAlgs: []string{"RS256"}})
		if _, err := old.Verify(t.Context(), first); err != nil {
			t.Errorf("%s: the first key is gone: %v", algorithm, err)
		}
		other := start(t, idp.Config{Algorithm: algorithm})
		if set := keySet(t, http.DefaultClient, other.URL); len(set) != 1 || set[0]["alg"] != algorithm {
			t.Errorf("%s: a provider of its own publishes %v", algorithm, set)
		}
	}
}

func keySet(t *testing.T, client *http.Client, issuer string) []map[string]any {
	t.Helper()
	resp, err := client.Get(issuer + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var set struct{ Keys []map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

// A new key signs at once, and is published when KeySetLag has passed.
func TestKeySetLag(t *testing.T) {
	bubble(t, idp.Config{KeySetLag: 10 * time.Second}, func(t *testing.T, p *idp.Provider, client *http.Client) {
		before := keySet(t, client, "http://issuer.test")
		p.RotateKey()
		if set := keySet(t, client, "http://issuer.test"); len(set) != 1 || set[0]["kid"] != before[0]["kid"] {
			t.Errorf("at once: %v", set)
		}
		_, _, raw := p.Login("auth0|a")
		time.Sleep(10 * time.Second)
		ctx := oidc.ClientContext(t.Context(), client)
		keys := oidc.NewRemoteKeySet(ctx, "http://issuer.test/.well-known/jwks.json")
		if _, err := keys.VerifySignature(ctx, raw); err != nil {
			t.Error(err)
		}
		if set := keySet(t, client, "http://issuer.test"); len(set) != 2 {
			t.Errorf("afterwards: %v", set)
		}
	})
}

// With OldKeyID the name in the header is that of the key before, where there is one.
func TestOldKeyID(t *testing.T) {
	s := start(t, idp.Config{OldKeyID: true, Algorithm: "ES256"})
	// A set for each question: go-oidc's own may answer with what it fetched for the one before.
	verify := func(raw string) error {
		_, err := oidc.NewRemoteKeySet(t.Context(), s.URL+"/.well-known/jwks.json").VerifySignature(t.Context(), raw)
		return err
	}
	_, _, raw := s.Login("auth0|a")
	if err := verify(raw); err != nil {
		t.Errorf("its only key: %v", err)
	}
	s.RotateKey()
	_, _, raw = s.Login("auth0|a")
	if err := verify(raw); err == nil {
		t.Error("the key that is named verifies the token")
	}
	s.SetConfig(func(c *idp.Config) { c.OldKeyID = false })
	_, _, raw = s.Login("auth0|a")
	if err := verify(raw); err != nil {
		t.Error(err)
	}
}

func TestOddKeys(t *testing.T) {
	s := start(t, idp.Config{OddKeys: []any{nil, map[string]any{"kty": "none"}}})
	if set := keySet(t, http.DefaultClient, s.URL); len(set) != 3 || set[0] != nil || set[1]["kty"] != "none" || set[2]["kty"] != "RSA" {
		t.Errorf("published: %v", set)
	}
}
