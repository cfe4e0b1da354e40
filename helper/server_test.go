package helper

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol"
)

// bin holds the real helper; daemonBin the stand-in for falcred.
var bin, daemonBin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	// The environment of whoever runs the tests must not answer them.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") || name == "XDG_RUNTIME_DIR" {
			os.Unsetenv(name)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "f")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // another user runs them too
	bin, daemonBin = filepath.Join(dir, "bin", name), filepath.Join(dir, "sbin", "falcred")
	for out, pkg := range map[string]string{bin: "../cmd/docker-credential-fal", daemonBin: "./testdata/falcred"} {
		if text, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, text)
			return 1
		}
	}
	return m.Run()
}

// folder is a short one: socket paths are.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// server speaks the protocol on a real socket. A nil answer hangs up instead.
type server struct {
	path   string
	l      net.Listener
	handle func(protocol.Request) any

	mu    sync.Mutex
	conns map[net.Conn]bool
	seen  []string // every line that came
	dials int
	done  sync.WaitGroup
}

func serve(t *testing.T, path string, handle func(protocol.Request) any) *server {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, handle)
}

func serveOn(t *testing.T, l net.Listener, handle func(protocol.Request) any) *server {
	s := &server{path: l.Addr().String(), l: l, handle: handle, conns: map[net.Conn]bool{}}
	s.done.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.dials++
		s.mu.Unlock()
		s.done.Go(func() { s.talk(c) })
	}
}

func (s *server) talk(c net.Conn) {
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

// stop is the daemon's end: listener and connections.
func (s *server) stop() {
	s.l.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// bearer answers get as a logged-in daemon does.
func bearer(r protocol.Request) any {
	switch r.Verb {
	case protocol.VerbGet:
		q, err := protocol.ParseQuery(r.Payload)
		if err != nil {
			return err
		}
		return protocol.Credential{ServerURL: q.ServerURL, Username: "Bearer", Secret: "token",
			Expires: expiry, Headers: map[string]string{"X-Fal-User-Id": "u1"}}
	case protocol.VerbList:
		return map[string]string{protocol.DefaultServer: "Bearer"}
	case protocol.VerbStore, protocol.VerbErase, protocol.VerbStop:
		return map[string]string{}
	case protocol.VerbVersion:
		return protocol.VersionAnswer{Version: "v0", Protocol: protocol.Version}
	}
	return protocol.Errorf(protocol.CodeBadRequest, "unknown verb")
}

var expiry = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}
