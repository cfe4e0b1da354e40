package testkit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/falcred/falcred/daemon/idp"
)

// JWT is a token of that header and those claims; sign makes its third part.
func JWT(header, claims map[string]any, sign func(input string) []byte) string {
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	input := encode(header) + "." + encode(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

// SignedBy makes the ID token that the issuer sends one of that algorithm, signed by the
// secret if there is one.
func SignedBy(algorithm string, secret []byte) idp.Fault {
	return idp.Fault{Name: "signed by " + algorithm, Mutate: func(reply map[string]any) {
		var claims map[string]any
		data, _ := base64.RawURLEncoding.DecodeString(strings.Split(reply["id_token"].(string), ".")[1])
		if err := json.Unmarshal(data, &claims); err != nil {
			panic(err)
		}
		reply["id_token"] = JWT(map[string]any{"alg": algorithm}, claims, func(input string) []byte {
			if secret == nil {
				return nil
			}
			h := hmac.New(sha256.New, secret)
			h.Write([]byte(input))
			return h.Sum(nil)
		})
	}}
}
