package env

import (
	"strconv"
	"strings"
)

// address is a server as the rules of §4 see it. The parser below is its own
// instead of net/url's: it accepts less, and everything that two parsers could
// read differently (userinfo, backslashes, percent-escapes, empty ports, odd IP
// forms, anything but ASCII) is refused rather than interpreted.
type address struct {
	scheme string // "https" (wss and bare hosts too) or "http"
	host   string // lower case; an IP address in its canonical form, without brackets
	port   string // always given
}

func parseAddress(s string) (address, bool) {
	s = strings.TrimSpace(s)
	scheme, rest, hasScheme := strings.Cut(s, "://")
	if !hasScheme {
		// A bare host has no path: "host/path" is somebody's idea of a
		// relative reference as well.
		return parseAuthority("https", s)
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return address{}, false
		}
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	switch lowerASCII(scheme) {
	case "https", "wss":
		return parseAuthority("https", rest)
	case "http":
		return parseAuthority("http", rest)
	}
	return address{}, false
}

// parseAuthority reads host, host:port or [v6]:port and nothing else.
func parseAuthority(scheme, s string) (address, bool) {
	a := address{scheme: scheme, port: defaultPort(scheme)}
	if strings.HasPrefix(s, "[") {
		inner, rest, ok := strings.Cut(s[1:], "]")
		if ok {
			a.host, ok = canonicalIPv6(inner)
		}
		return a, ok && a.setPort(rest)
	}
	host, port := s, ""
	if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	a.host = lowerASCII(host)
	if !validHost(a.host) || !a.setPort(port) {
		return address{}, false
	}
	if numeric(a.host[strings.LastIndexByte(a.host, '.')+1:]) {
		// A last label of digits makes it an IPv4 address for every resolver.
		return a, isIPv4(a.host)
	}
	return a, true
}

// setPort takes "" or ":digits". "host:" is refused: parsers disagree about it.
func (a *address) setPort(s string) bool {
	if s == "" {
		return true
	}
	digits := s[1:]
	n, err := strconv.ParseUint(digits, 10, 16)
	if s[0] != ':' || err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
		return false
	}
	a.port = digits
	return true
}

func (a address) loopback() bool {
	return a.host == "localhost" || a.host == "::1" || strings.HasPrefix(a.host, "127.") && isIPv4(a.host)
}

func (a address) url() string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != defaultPort(a.scheme) {
		host += ":" + a.port
	}
	return a.scheme + "://" + host
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// validHost takes a name in lower-case ASCII as DNS has it: no empty label, so
// no trailing dot, and no underscore.
func validHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

func numeric(label string) bool {
	return label != "" && label[0] >= '0' && label[0] <= '9' &&
		(strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x"))
}

// lowerASCII leaves other letters alone: strings.ToLower would turn the Kelvin
// sign into a k.
func lowerASCII(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
