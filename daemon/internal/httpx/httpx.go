// Package httpx sends a request once, and says what went wrong in words that hold no
// secret.
//
// One request is one request: each has a connection of its own, by HTTP/1.1, so that
// nothing below the caller ever sends it again; a refresh token that was sent twice can
// end a login. Redirects are not followed: they would carry a credential elsewhere. No
// error of net/http is printed as it comes: it can quote what the peer sent.
package httpx

import (
	"net"
	"net/http"
	"time"
)

const (
	// SideTimeout is the longest that a request other than a refresh may take.
	SideTimeout = 5 * time.Second
	// ConnectTimeout bounds the making of a connection, and then its TLS handshake:
	// nothing has been sent yet.
	ConnectTimeout = 4 * time.Second
)

// NewTransport makes a connection for each request, by HTTP/1.1, through the proxy that the
// environment names ([ProxyOf]). A connection that is used again, and HTTP/2, have net/http
// send a request a second time by itself.
func NewTransport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  ProxyOf,
		OnProxyConnectResponse: tunnelled,
		// Dialling does not end with the request that asked for it.
		DialContext:         (&net.Dialer{Timeout: ConnectTimeout}).DialContext,
		TLSHandshakeTimeout: ConnectTimeout,
		Protocols:           &http1,
		DisableKeepAlives:   true,
	}
}

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
