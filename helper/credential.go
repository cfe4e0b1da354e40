package helper

import (
	"maps"
	"strings"

	"github.com/falcred/falcred/protocol"
)

// fromOther is a daemon's credential as far as a client takes it: that daemon can be another
// user's, or at the far end of a forwarded socket. Beside Authorization there are headers of
// fal's only, lest it set a Host or a Cookie. What can be no header line is no credential.
func fromOther(cred protocol.Credential) (protocol.Credential, error) {
	if !usable(cred) {
		return protocol.Credential{}, protocol.Errorf(protocol.CodeInternal, "falcred's answer is no usable credential")
	}
	maps.DeleteFunc(cred.Headers, func(name, _ string) bool { return !falHeader(name) })
	return cred, nil
}

// usable says whether a credential can be one header line each: a line break in
// a secret or a header would become a header of its own, and whatever else is not graphic
// would be printed on a terminal as it is.
func usable(cred protocol.Credential) bool {
	ok := headerName(cred.Username) && cred.Secret != "" && graphic(string(cred.Secret))
	seen := map[string]bool{}
	for name, value := range cred.Headers {
		folded := strings.ToLower(name)
		ok = ok && headerName(name) && graphic(value) && !seen[folded]
		seen[folded] = true
	}
	return ok
}

func graphic(s string) bool { return protocol.Printable(s) == s && !strings.Contains(s, "\ufffd") }

// headerName takes fewer names than RFC 9110 §5.1 does, and all that are used.
func headerName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' {
			return false
		}
	}
	return s != ""
}

// falHeader: the one that names a target is fal's proxy protocol's, and sends a request
// elsewhere.
func falHeader(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-fal-") && name != "x-fal-target-url"
}
