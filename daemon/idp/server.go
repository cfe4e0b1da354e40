package idp

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a provider on a loopback port, over plain http. httptest.Server would do for tests, but
// it adds a flag to every program it is linked into, and the demo is part of falcred.
type Server struct {
	*Provider
	URL string // the issuer, without a trailing slash

	server http.Server
	served chan struct{} // closed when the accept loop has ended

	gate    sync.Mutex // guards closed, and that running grows only before closed is set
	closed  bool
	running sync.WaitGroup // handlers
}

// Start listens on a free port of 127.0.0.1.
func Start(cfg Config) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("identity provider: %w", err)
	}
	return Serve(l, "http://"+l.Addr().String(), cfg)
}

// Serve serves a listener, which may speak TLS, as the issuer of that URL.
func Serve(l net.Listener, issuer string, cfg Config) (*Server, error) {
	s := &Server{URL: issuer, served: make(chan struct{})}
	var err error
	if s.Provider, err = New(s.URL, cfg); err != nil {
		l.Close()
		return nil, err
	}
	s.server.Handler = http.HandlerFunc(s.handle)
	s.server.ReadHeaderTimeout = 10 * time.Second  // loopback: more is a stuck client
	s.server.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a client breaks off
	go func() {
		defer close(s.served)
		s.server.Serve(l)
	}()
	return s, nil
}

// Close ends every connection, and with it every request that a fault holds up. When it returns, no
// handler runs any more. It may be called twice.
func (s *Server) Close() {
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
	s.server.Close()
	<-s.served
	s.running.Wait()
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.running.Add(1)
	s.gate.Unlock()
	defer s.running.Done()
	s.ServeHTTP(w, r)
}
