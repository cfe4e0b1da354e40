// Package bazel is the wire of the credential helpers of Bazel and other build tools
// (EngFlow's credential-helper-spec): the request that they give get on standard input,
// and the answer that they read.
package bazel

import (
	"maps"
	"slices"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/internal/ijson"
)

// ParseRequest returns the URI that a payload asks for. It says false where the payload
// is none of theirs: a server, or an object with a ServerURL. A uri that is no string is
// "", for which there is no credential.
func ParseRequest(payload string) (uri string, ok bool) {
	request, err := ijson.Read(payload)
	if err != nil {
		return "", false
	}
	_, docker := request["ServerURL"]
	if _, ok = request["uri"]; docker || !ok {
		return "", false
	}
	request.Into(ijson.Member{Name: "uri", Value: &uri})
	return uri, true
}

// AppendAnswer appends the header fields that a request needs, as one line, LF included.
func AppendAnswer(dst []byte, cred protocol.Credential) ([]byte, error) {
	headers := []ijson.Member{{Name: "Authorization", Value: &[]string{cred.Authorization()}}}
	for _, name := range slices.Sorted(maps.Keys(cred.Headers)) {
		headers = append(headers, ijson.Member{Name: name, Value: &[]string{cred.Headers[name]}})
	}
	var expires string
	if !cred.Expires.IsZero() {
		expires = cred.Expires.UTC().Format(time.RFC3339) // without the fractions
	}
	line, err := ijson.Append(dst,
		ijson.Member{Name: "headers", Value: headers},
		ijson.Member{Name: "expires", Value: &expires, OmitEmpty: true})
	return append(line, '\n'), err
}
