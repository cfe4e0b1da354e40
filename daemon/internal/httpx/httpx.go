// Package httpx sends a request once, and says what went wrong in words that hold no
// secret.
//
// One request is one request: each has a connection of its own, by HTTP/1.1, so that
// nothing below the caller ever sends it again; a refresh token that was sent twice can
// end a login. Redirects are not followed: they would carry a credential elsewhere. No
// error of net/http is printed as it comes: it can quote what the peer sent.
package httpx

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// SideTimeout is the longest that a request other than a refresh may take.
	SideTimeout = 5 * time.Second
	// ConnectTimeout bounds the making of a connection, and then its TLS handshake:
	// nothing has been sent yet. The lookup of a host name has a time of its own
	// ([LookupTimeout]).
	ConnectTimeout = 4 * time.Second
)

// Transport is net/http's with a dialler and roots of its own. It reaches an issuer where
// other programs of this machine do: past a nameserver or an address that is silent,
// through the proxy that the environment names, and by the CA files as they are now.
// Its fields are not to be changed after the first request.
type Transport struct {
	*http.Transport
	names    *names
	renewing sync.Mutex                     // serializes renew
	current  atomic.Pointer[http.Transport] // the one of the fields, or its successor with newer roots
}

// NewTransport makes a connection for each request, by HTTP/1.1, through the proxy that the
// environment names ([ProxyOf]). A connection that is used again, and HTTP/2, have net/http
// send a request a second time by itself.
func NewTransport() *Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	t := &Transport{names: newNames()}
	t.Transport = &http.Transport{
		Proxy:                  ProxyOf,
		OnProxyConnectResponse: tunnelled,
		// Dialling does not end with the request that asked for it.
		DialContext:         t.dial,
		TLSHandshakeTimeout: ConnectTimeout,
		Protocols:           &http1,
		DisableKeepAlives:   true,
	}
	t.current.Store(t.Transport)
	return t
}

// RoundTrip sends a request once. A certificate that is not trusted ends a connection
// before anything is sent over it: then the roots are read anew, and where they have
// changed there is one more connection.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	trip, used := &trip{}, t.current.Load()
	if used.Proxy != nil {
		proxy, _ := used.Proxy(req) // an error comes again, from below
		trip.proxied = proxy != nil
	}
	ctx := context.WithValue(req.Context(), tripKey{}, trip)
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { trip.reach(open) },
		GotConn:           func(httptrace.GotConnInfo) { trip.reach(open) },
	}))
	resp, err := used.RoundTrip(req)
	if next := t.renew(used, err); next != nil && rewind(req) {
		resp, err = next.RoundTrip(req)
	}
	if err != nil && ctx.Err() != nil {
		err = trip.explain(err)
	}
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		// Nobody has asked for another protocol, and its body is the connection itself, which
		// is the caller's from here on: no context ends a reading of it.
		resp.Body.Close()
		resp.Body = http.NoBody
	}
	return resp, err
}

// rewind gives a request that was not sent its body again, and says whether it could.
func rewind(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	req.Body = body
	return err == nil
}

// Find looks up the name of the host that a request to this address would be sent to, a
// proxy's where there is one, and remembers it for a minute: time that a request then
// does not need. What is remembered already does not count. It takes LookupTimeout at most. Its error is [Describe]'s.
func (t *Transport) Find(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	proxy, err := t.Proxy(req)
	if err != nil {
		return err
	}
	if proxy == nil {
		_, err = t.names.find(ctx, req.URL.Hostname(), true)
		return err
	}
	if _, err = t.names.find(ctx, proxy.Hostname(), true); err != nil {
		err = &net.OpError{Op: "proxyconnect", Err: err}
	}
	return err
}

// SilentServers are the addresses of nameservers that were asked and did not answer. Each
// makes every lookup wait.
func (t *Transport) SilentServers() []string { return t.names.silent() }

// Client follows no redirect, which would carry a credential elsewhere: the caller gets the
// answer that redirects.
func Client(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Loopback reports whether a URL's host is this machine: localhost, or a loopback address.
// Nothing is asked of the DNS.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
