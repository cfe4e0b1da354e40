package idp_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/falcred/falcred/daemon/idp"
)

// pipes is a listener and its dialer, in memory: a synctest bubble sees both ends blocked.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// bubble runs f in a synctest bubble with a provider at http://issuer.test and its client.
func bubble(t *testing.T, cfg idp.Config, f func(t *testing.T, p *idp.Provider, client *http.Client)) {
	synctest.Test(t, func(t *testing.T) {
		p, err := idp.New("http://issuer.test", cfg)
		if err != nil {
			t.Fatal(err)
		}
		l := newPipes()
		srv := &http.Server{Handler: p}
		go srv.Serve(l)
		defer srv.Close()
		transport := &http.Transport{DialContext: l.dial}
		defer transport.CloseIdleConnections()
		f(t, p, &http.Client{Transport: transport})
	})
}
