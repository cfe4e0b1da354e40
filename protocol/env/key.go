package env

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/falcred/falcred/protocol"
)

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

// OddKeyText is what is wrong with the variable that [OddKey] names, and what to do.
const OddKeyText = "contains a line break or another control byte, which no header can hold\nset it again without that"

// OddKey names the variable of the key that [FindKey] finds, if no HTTP header can hold what
// it is set to: a control byte, such as the line break at the end of a file, or no UTF-8. fal's
// own SDK fails at it. It is "" where all is well. Spaces are left as they stand.
func OddKey(getenv func(string) string) string {
	key, _ := FindKey(getenv)
	if key.Source == "" {
		return ""
	}
	for _, name := range strings.Split(key.Source, " and ") {
		if value := getenv(name); strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value) {
			return name
		}
	}
	return ""
}

// Doubt says that what k holds may be no key of fal's, and on a second line what to do; "" where all is
// well. It is served as it stands all the same, as fal's SDK does.
func (k Key) Doubt() string {
	key, named, set := string(k.Secret), "the key in "+k.Source+" ", "\nset "+k.Source+" to a whole key and nothing else (ID:SECRET)"
	first, _, _ := strings.Cut(strings.TrimSpace(key), " ")
	switch {
	case key == "":
		return ""
	case strings.EqualFold(first, "key"), strings.EqualFold(first, "bearer"):
		return named + "begins with the word \"" + first + "\", which is sent as a part of it" + set
	case strings.TrimSpace(key) != key || strings.ContainsAny(key[:1]+key[len(key)-1:], "\"'"):
		return named + "begins or ends with a space or a quotation mark, which is sent as a part of it" + set
	case strings.HasPrefix(key, "eyJ") && !strings.Contains(key, ":"):
		return named + "is a login's token, and is sent as a key all the same\nunset " + k.Source + ": the login is used then"
	case !strings.Contains(key, ":"):
		return named + "has no \":\" in it, as each of fal's has (ID:SECRET): the fal CLI ignores it, and uses the login" + set + ", or unset it"
	}
	return ""
}

// ForceUser reports whether keys are to be skipped. Only "1" says so: the SDK
// takes "true" for no.
func ForceUser(getenv func(string) string) bool {
	return getenv("FAL_FORCE_AUTH_BY_USER") == "1"
}
