package httpx

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
)

// proxyVariables are what names the proxy for https, the first that is set: Python's
// order, and curl's. net/http knows the second and the first, in that order.
var proxyVariables = []string{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}

func proxyVariable() string {
	for _, name := range proxyVariables {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return "HTTPS_PROXY"
}

// ProxyVariable is the variable that counts, HTTPS_PROXY where none is set. It is chosen
// once in a process's life, before net/http reads its own: what counts goes into those. A
// SOCKS proxy that a desktop calls socks://, net/http would take for an HTTP one.
var ProxyVariable = sync.OnceValue(func() (variable string) {
	variable = proxyVariable()
	if value := os.Getenv(variable); value != "" {
		if address, ok := strings.CutPrefix(value, "socks://"); ok {
			value = "socks5://" + address
		}
		os.Setenv("HTTPS_PROXY", value)
	}
	if value := os.Getenv("no_proxy"); value != "" {
		os.Setenv("NO_PROXY", value)
	}
	return variable
})

// ProxyOf is [http.ProxyFromEnvironment], which asks no proxy for loopback and for what
// NO_PROXY names, with Python's choice of variables and without the settings that it
// misreads: where a character of the password ends the address, as in
// http://user:pa@ss/word@proxy:3128, it takes a piece of the password for the host, which
// would be asked for in the DNS and be sent the rest. The error is then [ErrWrongProxy].
func ProxyOf(req *http.Request) (*url.URL, error) {
	variable := ProxyVariable()
	proxy, err := http.ProxyFromEnvironment(req)
	if proxy != nil && misread(proxy) {
		return nil, wrongProxy(variable)
	}
	return proxy, err
}

// ErrWrongProxy is the error for a proxy's address that was misread; the variable may be
// another. It does not quote the address: it holds a password.
var ErrWrongProxy error = wrongProxy("HTTPS_PROXY")

type wrongProxy string

func (variable wrongProxy) Error() string        { return string(variable) + " is not the address of a proxy" }
func (variable wrongProxy) Is(target error) bool { return target == ErrWrongProxy }

// misread knows a piece of a password by the @ that comes after the host. What
// cannot be parsed is tried again with http:// before it: the host is http: then,
// and the rest is a path.
func misread(proxy *url.URL) bool {
	return strings.Contains(proxy.Path+proxy.RawQuery+proxy.Fragment, "@") ||
		strings.HasPrefix(proxy.Path, "//") || strings.HasSuffix(proxy.Host, ":") && len(proxy.Path) > 1
}

// DroppedProxy names a setting that cannot be parsed at all, "" for none: it is not
// used, and net/http says nothing.
func DroppedProxy() (name string) {
	name = proxyVariable()
	value := os.Getenv(name)
	_, err := url.Parse(value)
	if err != nil {
		_, err = url.Parse("http://" + value)
	}
	if err == nil {
		return ""
	}
	return name
}

// ProxyHint is what to do about an [ErrWrongProxy], or a [DroppedProxy].
const ProxyHint = "set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT in falcred.env, which only you can read; percent-encode special characters in user and password"

// ProxyRefusal is the status with which a proxy made no tunnel (RFC 9110 §9.3.6).
// Its words are the proxy's own, and are not kept.
type ProxyRefusal int

func (status ProxyRefusal) Error() string {
	return "the proxy refuses: status " + strconv.Itoa(int(status))
}

// tunnelled makes a proxy's refusal an error in our own words.
func tunnelled(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return ProxyRefusal(resp.StatusCode)
	}
	return nil
}
