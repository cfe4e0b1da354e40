package env

import "github.com/falcred/falcred/protocol"

const (
	sourceKey  = "FAL_KEY"
	sourcePair = "FAL_KEY_ID and FAL_KEY_SECRET"
)

// Key is an API key found in an environment. It is printed as "[hidden]"
// ([protocol.Secret]).
type Key struct {
	protocol.Secret
	Source string // the variables that gave it
}

// FindKey is the rule of the SDK, used at both ends: the helper applies it to its
// caller's environment, the daemon to its own. FAL_KEY comes before FAL_KEY_ID and
// FAL_KEY_SECRET. It says false when the login is the one to use. Empty means unset, as
// in the SDK.
func FindKey(getenv func(string) string) (Key, bool) {
	if ForceUser(getenv) {
		return Key{}, false
	}
	if key := getenv("FAL_KEY"); key != "" {
		return Key{Secret: protocol.Secret(key), Source: sourceKey}, true
	}
	id, secret := getenv("FAL_KEY_ID"), getenv("FAL_KEY_SECRET")
	if id != "" && secret != "" {
		return Key{Secret: protocol.Secret(id + ":" + secret), Source: sourcePair}, true
	}
	return Key{}, false
}

// ForceUser reports whether keys are to be skipped. Only "1" says so: the SDK
// takes "true" for no.
func ForceUser(getenv func(string) string) bool {
	return getenv("FAL_FORCE_AUTH_BY_USER") == "1"
}
