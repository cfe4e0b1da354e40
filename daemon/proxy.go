package daemon

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// proxyOf is http.ProxyFromEnvironment without the settings that it takes for
// another host's: where a character of the password ends the address, as in
// http://user:pa@ss/word@proxy:3128, the host is a piece of the password. It
// would be asked for in the DNS and be sent the rest (S4).
func proxyOf(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if proxy != nil && misread(proxy) {
		return nil, errWrongProxy
	}
	return proxy, err
}

var errWrongProxy = errors.New("HTTPS_PROXY is not the address of a proxy")

// misread knows a piece of a password by the @ that comes after the host. What
// cannot be parsed is tried again with http:// before it: the host is http: then,
// and the rest is a path.
func misread(proxy *url.URL) bool {
	return strings.Contains(proxy.Path+proxy.RawQuery+proxy.Fragment, "@") ||
		strings.HasPrefix(proxy.Path, "//") || strings.HasSuffix(proxy.Host, ":") && len(proxy.Path) > 1
}

// droppedProxy names a setting that cannot be parsed at all: it is not used, and
// nothing says so.
func droppedProxy() (name string) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if value := os.Getenv(name); value != "" {
			_, err := url.Parse(value)
			if err != nil {
				_, err = url.Parse("http://" + value)
			}
			if err != nil {
				return name
			}
			return ""
		}
	}
	return ""
}

const mendProxy = "set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT in falcred.env (chmod 600), what is special in user and password percent-encoded"

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
