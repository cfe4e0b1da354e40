package httpx

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// ProxyOf is [http.ProxyFromEnvironment] without the settings that it misreads: where a
// character of the password ends the address, as in http://user:pa@ss/word@proxy:3128, it
// takes a piece of the password for the host, which would be asked for in the DNS and be
// sent the rest. The error is then [ErrWrongProxy].
func ProxyOf(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if proxy != nil && misread(proxy) {
		return nil, ErrWrongProxy
	}
	return proxy, err
}

// ErrWrongProxy is the error for a proxy's address that was misread. It does not quote the
// address: it holds a password.
var ErrWrongProxy = errors.New("HTTPS_PROXY is not the address of a proxy")

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

// ProxyHint is what to do about an [ErrWrongProxy], or a [DroppedProxy].
const ProxyHint = "set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT in falcred.env (chmod 600); percent-encode special characters in user and password"

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
