package issuer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
)

// maxKeySet caps a key set, as it is once unpacked. Real ones have a few KiB,
// and some 200 where certificates come with many keys.
const maxKeySet = 512 << 10

// keySetPause is how young a key set still counts as fetched anew: verifications
// that come together share one.
const keySetPause = time.Second

// publicKey is one usable key of a set. id is its name there, "" where it has none.
type publicKey struct {
	id  string
	key crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// curves are those of RFC 7518 §6.2.1.1, each with the one algorithm for it (§3.4).
var curves = map[string]struct {
	elliptic.Curve
	algorithm string
}{
	"P-256": {elliptic.P256(), oidc.ES256},
	"P-384": {elliptic.P384(), oidc.ES384},
	"P-521": {elliptic.P521(), oidc.ES512},
}

// fits says whether a signature of that algorithm can be by such a key (RFC 7518
// §3.1, RFC 8037 §3.1).
func (k publicKey) fits(algorithm string) bool {
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return curves[key.Params().Name].algorithm == algorithm
	}
	return algorithm == oidc.EdDSA
}

// keySet is what an issuer publishes to verify its signatures by (RFC 7517).
type keySet struct {
	url    string
	client *http.Client

	last     atomic.Pointer[fetchedKeys] // nil before the first that came
	fetching turn
}

// fetchedKeys are a set as it came, and are not changed.
type fetchedKeys struct {
	keys []publicKey
	at   time.Time
}

func newKeySet(url string, client *http.Client) *keySet {
	return &keySet{url: url, client: client, fetching: newTurn()}
}

// named are the keys of that name in the set that is here already, all of them
// where the signature names none.
func (s *keySet) named(id, algorithm string) []crypto.PublicKey {
	if last := s.last.Load(); last != nil {
		return last.fitting(algorithm, id)
	}
	return nil
}

// anew are all keys of a fitting type, whatever their name, in a set that is
// fetched for the purpose, within httpx.SideTimeout.
func (s *keySet) anew(ctx context.Context, algorithm string) ([]crypto.PublicKey, error) {
	ctx, cancel := clock.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	if err := s.fetching.take(ctx); err != nil {
		return nil, errors.New(httpx.Describe(err))
	}
	defer s.fetching.leave()
	last := s.last.Load()
	if last == nil || clock.Now().Sub(last.at) >= keySetPause {
		keys, err := s.fetch(ctx)
		if err != nil {
			return nil, err
		}
		last = &fetchedKeys{keys, clock.Now()}
		s.last.Store(last)
	}
	return last.fitting(algorithm, ""), nil
}

func (f *fetchedKeys) fitting(algorithm, id string) (found []crypto.PublicKey) {
	for _, k := range f.keys {
		if k.fits(algorithm) && (id == "" || k.id == id) {
			found = append(found, k.key)
		}
	}
	return found
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("their address cannot be used")
	}
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, errors.New(httpx.Describe(err))
	}
	defer resp.Body.Close()
	said := httpx.Judge(resp.StatusCode, resp.Header, nil)
	switch {
	case gone(said.Status):
		return nil, nothingThere{"key set", said} // they have moved, or their address is wrong
	case said.Status != http.StatusOK:
		return nil, said
	}
	keys, err := parseKeySet(io.LimitReader(resp.Body, maxKeySet))
	if err != nil && said.Type == "text/html" {
		return nil, said
	}
	return keys, err
}

// parseKeySet takes the keys one by one, so that an odd one spoils no other
// (RFC 7517 §5), and holds one at a time. Of a set that is cut it takes what came
// whole.
func parseKeySet(r io.Reader) (keys []publicKey, err error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, badKeySet(err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, badKeySet(err)
		}
		if name == "keys" {
			return parseKeys(dec)
		}
		if err := dec.Decode(new(json.RawMessage)); err != nil {
			return nil, badKeySet(err)
		}
	}
	return nil, badKeySet(nil)
}

func parseKeys(dec *json.Decoder) (keys []publicKey, err error) {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, badKeySet(err)
	}
	var entry json.RawMessage
	for dec.More() && err == nil {
		if err = dec.Decode(&entry); err == nil {
			if k, ok := parseKey(entry); ok {
				keys = append(keys, k)
			}
		}
	}
	if err == nil {
		_, err = dec.Token() // the closing bracket
	}
	if err != nil && len(keys) == 0 {
		return nil, badKeySet(err)
	}
	return keys, nil
}

// badKeySet tells a set that did not come from one that is none.
func badKeySet(err error) error {
	var syntax *json.SyntaxError
	if err == nil || errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer is no key set, or too long a one")
	}
	return errors.New(httpx.Describe(err))
}

// members are those of a JSON object. Names are compared exactly, unlike in
// encoding/json's structs.
type members map[string]json.RawMessage

// parseMembers returns nil for what is no object.
func parseMembers(data []byte) (m members) {
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	return m
}

// text is a member that is a string, "" where it is none.
func (m members) text(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// date reads a NumericDate (RFC 7519 §2). It is zero where there is none.
func (m members) date(name string) time.Time { return clock.Date(string(m[name])) }

// number reads base64url (RFC 7518 §2), also as some write it: padded, or in
// the other alphabet. What it means is decided by the signature.
func (m members) number(name string) []byte {
	text := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(m.text(name), "="))
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// parseKey reads a JSON Web Key (RFC 7517 §4). It looks at what makes the key,
// and at nothing that some write wrongly beside it (x5c, x5t). Keys for encryption,
// private ones and shared secrets prove nothing.
func parseKey(entry []byte) (publicKey, bool) {
	m := parseMembers(entry)
	if m == nil || m["d"] != nil || m.text("use") == "enc" {
		return publicKey{}, false
	}
	k := publicKey{id: m.text("kid")}
	switch m.text("kty") {
	case "RSA":
		k.key = rsaKey(m.number("n"), m.number("e"))
	case "EC":
		k.key = ecKey(m.text("crv"), m.number("x"), m.number("y"))
	case "OKP":
		k.key = edKey(m.text("crv"), m.number("x"))
	}
	return k, k.key != nil
}

// RFC 7518 §3.3 asks for 2048 bits; above 8192 each attempt costs milliseconds,
// and crypto/tls draws the same line.
const minRSA, maxRSA = 2048, 8192

func rsaKey(n, e []byte) crypto.PublicKey {
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	odd := modulus.Bit(0) == 1 && exponent.Bit(0) == 1
	if bits := modulus.BitLen(); bits < minRSA || bits > maxRSA || !odd || exponent.BitLen() > 31 || exponent.BitLen() < 2 {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
}

func ecKey(curve string, x, y []byte) crypto.PublicKey {
	c, known := curves[curve]
	if !known {
		return nil
	}
	size := (c.Params().BitSize + 7) / 8
	x, y = bytes.TrimLeft(x, "\x00"), bytes.TrimLeft(y, "\x00") // some write a sign byte, or no leading zeros
	if len(x) > size || len(y) > size {
		return nil
	}
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed (SEC 1 §2.3.3)
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	key, err := ecdsa.ParseUncompressedPublicKey(c.Curve, point)
	if err != nil { // not on the curve
		return nil
	}
	return key
}

func edKey(curve string, x []byte) crypto.PublicKey {
	if curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil
	}
	return ed25519.PublicKey(x)
}
