package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the digests of the algorithms
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// digests are those of the algorithms that the provider can sign by (RFC 7518 section 3.1, RFC 8037
// section 3.1).
var digests = map[string]crypto.Hash{
	"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512,
	"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512,
	"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512,
	"EdDSA": crypto.Hash(0), // it signs the message itself
}

type signingKey struct {
	id        string
	algorithm string
	key       crypto.Signer
	made      time.Time // zero: a provider's first key, which is always published
}

// sharedRSA is every provider's first RSA key: making one takes longer than most tests do.
var sharedRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// firstKey may be shared with other providers.
func firstKey(algorithm string) (*signingKey, error) {
	if algorithm[0] != 'R' && algorithm[0] != 'P' {
		return newKey(algorithm)
	}
	key, err := sharedRSA()
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	return name(algorithm, key), nil
}

func newKey(algorithm string) (*signingKey, error) {
	var key crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	return name(algorithm, key), nil
}

func name(algorithm string, key crypto.Signer) *signingKey {
	k := &signingKey{algorithm: algorithm, key: key}
	h := crypto.SHA256.New()
	h.Write(mustJSON(k.public()))
	k.id = hex.EncodeToString(h.Sum(nil)[:8])
	return k
}

// sign makes a JWT (RFC 7519) in the JWS compact form (RFC 7515 section 7.1). id is the key's name
// that its header gives, which Config.OldKeyID makes another one.
func (k *signingKey) sign(id string, claims map[string]any) string {
	header := map[string]string{"alg": k.algorithm, "typ": "JWT", "kid": id}
	input := segment(mustJSON(header)) + "." + segment(mustJSON(claims))
	digest, hash := []byte(input), digests[k.algorithm]
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	var opts crypto.SignerOpts = hash
	if k.algorithm[:2] == "PS" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	signature, err := k.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		panic(err) // a key of our own making and a digest of the right size
	}
	if public, ok := k.key.Public().(*ecdsa.PublicKey); ok {
		signature = joined(signature, public)
	}
	return input + "." + segment(signature)
}

// joined turns an ASN.1 signature into the two numbers of RFC 7518 section 3.4.
func joined(signature []byte, public *ecdsa.PublicKey) []byte {
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &n); err != nil {
		panic(err) // of crypto/ecdsa's own making
	}
	size := (public.Params().BitSize + 7) / 8
	both := make([]byte, 2*size)
	n.R.FillBytes(both[:size])
	n.S.FillBytes(both[size:])
	return both
}

// public is the key's JWK (RFC 7518 section 6, RFC 8037 section 2).
func (k *signingKey) public() map[string]string {
	jwk := map[string]string{"alg": k.algorithm, "use": "sig", "kid": k.id}
	switch key := k.key.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"] = "RSA"
		jwk["n"], jwk["e"] = segment(key.N.Bytes()), segment(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			panic(err) // a key of our own making
		}
		size := len(point) / 2
		jwk["kty"], jwk["crv"] = "EC", key.Params().Name
		jwk["x"], jwk["y"] = segment(point[1:1+size]), segment(point[1+size:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", segment(key)
	}
	return jwk
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
