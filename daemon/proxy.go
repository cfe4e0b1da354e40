package daemon

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// proxyOf is http.ProxyFromEnvironment without the settings that it takes for
// another host's: where a character of the password ends the address, as in
// http://user:pa@ss/word@proxy:3128, the host is a piece of the password. It
// would be asked for in the DNS, be sent the rest, and be named in messages (S4).
func proxyOf(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy != nil && misread(proxy) {
		return nil, errWrongProxy
	}
	return proxy, nil
}

var errWrongProxy = errors.New("HTTPS_PROXY is not the address of a proxy")

// proxySchemes are net/http's; with any other it speaks HTTP all the same.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// misread knows a piece of a password by the @ that comes after the host, or by
// the host: what cannot be parsed is tried again with http:// before it.
func misread(proxy *url.URL) bool {
	return !slices.Contains(proxySchemes, proxy.Scheme) ||
		proxy.Hostname() == "" || slices.Contains(proxySchemes, proxy.Hostname()) ||
		strings.Contains(proxy.Path+proxy.RawQuery+proxy.Fragment, "@")
}

// proxyForm is told to whom a proxy does not let through.
const proxyForm = "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT in falcred.env (chmod 600), what is special in user and password percent-encoded"

// proxyRefusal is the status with which a proxy made no tunnel (RFC 9110 §9.3.6).
// Its words are the proxy's own, and are not kept.
type proxyRefusal int

func (status proxyRefusal) Error() string {
	return "the proxy refuses: status " + strconv.Itoa(int(status))
}

// tunnelled has net/http say a proxy's refusal in our words.
func tunnelled(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return proxyRefusal(resp.StatusCode)
	}
	return nil
}
