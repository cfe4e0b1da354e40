// Package testdaemon answers the wire on a real socket, for the tests of package helper
// and of docker-credential-fal.
package testdaemon

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol"
)

// Server speaks the protocol on a real socket. A nil answer hangs up instead.
type Server struct {
	Path   string // of the socket
	l      net.Listener
	handle func(protocol.Request) any

	mu    sync.Mutex
	conns map[net.Conn]bool
	seen  []string // every line that came
	dials int
	done  sync.WaitGroup
}

// Serve listens at a path until the test ends.
func Serve(t *testing.T, path string, handle func(protocol.Request) any) *Server {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	return ServeOn(t, l, handle)
}

// ServeOn is Serve where a listener is there already.
func ServeOn(t *testing.T, l net.Listener, handle func(protocol.Request) any) *Server {
	s := &Server{Path: l.Addr().String(), l: l, handle: handle, conns: map[net.Conn]bool{}}
	s.done.Go(s.accept)
	t.Cleanup(s.Stop)
	return s
}

// Dials is how many connections there were.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.dials++
		s.mu.Unlock()
		s.done.Go(func() { s.serveConn(c) })
	}
}

func (s *Server) serveConn(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	in := protocol.NewReader(c)
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, line)
		s.mu.Unlock()
		var v any
		if r, err := protocol.ParseRequest(line); err != nil {
			v = err
		} else if v = s.handle(r); v == nil {
			return
		}
		out, err := protocol.AppendAnswer(nil, v)
		if err != nil {
			return
		}
		c.Write(out)
	}
}

// Stop is the daemon's end: listener and connections.
func (s *Server) Stop() {
	s.l.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

// Lines is what came so far.
func (s *Server) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// Bearer answers get as a logged-in daemon does.
func Bearer(r protocol.Request) any {
	switch r.Verb {
	case protocol.VerbGet:
		q, err := protocol.ParseQuery(r.Payload)
		if err != nil {
			return err
		}
		return protocol.Credential{ServerURL: q.ServerURL, Username: "Bearer", Secret: "token",
			Expires: Expiry, Headers: map[string]string{"X-Fal-User-Id": "u1"}, Team: q.Team}
	case protocol.VerbList:
		return map[string]string{protocol.DefaultServer: "Bearer"}
	case protocol.VerbStore, protocol.VerbErase, protocol.VerbStop:
		return map[string]string{}
	case protocol.VerbVersion:
		return protocol.VersionAnswer{Version: "v0", Protocol: protocol.Version}
	}
	return protocol.Errorf(protocol.CodeBadRequest, "unknown verb")
}

// Expiry is that of Bearer's token.
var Expiry = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// Lookup is os.LookupEnv of another environment.
func Lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}
