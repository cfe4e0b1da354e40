package idp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"
)

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// sharedKey is every provider's first key: making one takes longer than most tests do.
var sharedKey = sync.OnceValues(newKey)

func newKey() (*signingKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	sum := sha256.Sum256(key.N.Bytes())
	return &signingKey{id: hex.EncodeToString(sum[:8]), key: key}, nil
}

// sign makes a JWT (RFC 7519) in the JWS compact form (RFC 7515 section 7.1), by RS256.
func (k *signingKey) sign(claims map[string]any) string {
	header := map[string]string{"alg": "RS256", "typ": "JWT", "kid": k.id}
	input := segment(mustJSON(header)) + "." + segment(mustJSON(claims))
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // a key of our own making and a digest of the right size
	}
	return input + "." + segment(sig)
}

// public is the key's JWK (RFC 7518 section 6.3.1).
func (k *signingKey) public() map[string]string {
	return map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": k.id,
		"n": segment(k.key.N.Bytes()),
		"e": segment(big.NewInt(int64(k.key.E)).Bytes()),
	}
}

func segment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// mustJSON panics only for what a test's own hook put into claims or a reply.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
