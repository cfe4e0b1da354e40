//go:build linux || darwin

package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

func TestMain(m *testing.M) {
	// The tests say where the socket is; the caller's environment does not.
	for _, name := range []string{"FALCRED_SOCKET", "LISTEN_PID", "LISTEN_FDS"} {
		os.Unsetenv(name)
	}
	testkit.Umask()
	os.Exit(m.Run())
}

// house is one home with a real issuer, a real login, a real server and real clients.
type house struct {
	*testing.T
	idp   *idp.Server
	cfg   login.Config
	file  string // the token file
	sock  string
	share string // the share socket, "" for none
	uids  []int  // who may come there
	log   *testkit.LogBuffer
}

func newHouse(t *testing.T, cfg idp.Config) *house {
	t.Helper()
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 2 * time.Hour
	}
	issuer, err := idp.Start(cfg)
	mustDo(t, err)
	t.Cleanup(issuer.Close)
	home := testkit.ShortDir(t)
	h := &house{T: t, idp: issuer, cfg: testConfig(t, home, issuer.URL), log: new(testkit.LogBuffer),
		file: filepath.Join(home, protocol.TokenFile), sock: filepath.Join(home, "falcred.sock")}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(h.log)
		}
	})
	return h
}

func testConfig(t testing.TB, home, issuer string) login.Config {
	t.Helper()
	return login.Config{Home: home, Issuer: issuer, ClientID: "test-client", Audience: "fal-cloud",
		Scopes: "openid profile email offline_access", Servers: falsServers(t)}
}

func falsServers(t testing.TB) protocol.Servers {
	t.Helper()
	servers, err := protocol.NewServers(func(string) string { return "" })
	mustDo(t, err)
	return servers
}

// signIn writes a whole login, as an SDK that has just refreshed leaves it.
func (h *house) signIn(sub string) (refresh, access string) {
	h.Helper()
	refresh, access, _ = h.idp.Login(sub)
	h.write(refresh + "\n" + access)
	return refresh, access
}

// write is in place, as the neighbours write.
func (h *house) write(text string) {
	h.Helper()
	mustDo(h.T, os.WriteFile(h.file, []byte(text), 0o600))
}

func (h *house) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open is a login that has read its file, as a daemon has before it answers anybody.
func (h *house) open() *login.Manager {
	h.Helper()
	ctx, end := context.WithCancel(context.Background())
	m, err := login.Open(ctx, h.cfg, h.logger())
	if err != nil {
		end()
		h.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ready)
	}()
	<-ready
	h.Cleanup(func() {
		end()
		<-done
		m.Close()
	})
	return m
}

// served is a server that runs, and whose end a test may begin by itself.
type served struct {
	*Server
	end  context.CancelFunc
	done chan struct{}
}

// serve has the login of the house served. change may be nil.
func (h *house) serve(change func(*Server)) *served {
	h.Helper()
	return h.serveLogin(h.open(), change)
}

func (h *house) serveLogin(m *login.Manager, change func(*Server)) *served {
	h.Helper()
	sock, err := socket.Open(h.Context(), socket.Options{Path: h.sock, Home: h.cfg.Home})
	mustDo(h.T, err)
	ctx, end := context.WithCancel(context.Background())
	o := Options{Version: "test", Servers: h.cfg.Servers, Log: h.logger(), Stop: end, Shared: h.share != ""}
	s := &served{New(m, o), end, make(chan struct{})}
	if change != nil {
		change(s.Server)
	}
	shared := make(chan struct{})
	go func() {
		defer close(shared)
		if h.share != "" {
			Share(ctx, m, h.share, h.uids, o)
		}
	}()
	go func() {
		defer close(s.done)
		s.Serve(ctx, sock)
		<-shared
	}()
	h.Cleanup(func() {
		end()
		<-s.done
		sock.Close()
	})
	return s
}

// wantEnded wants the server's end, which has begun, to come.
func (h *house) wantEnded(s *served) {
	h.Helper()
	select {
	case <-s.done:
	case <-time.After(testkit.Patience):
		h.Fatal("still alive: its clients decide when it ends")
	}
}

// at is the same house, seen through another socket.
func (h *house) at(socket string) *house {
	other := *h
	other.sock = socket
	return &other
}

func (h *house) eventually(what string, done func() bool) {
	h.Helper()
	testkit.Eventually(h.T, what, done)
}

// opaque is an access token that nobody has signed: of that name, size and expiry.
func opaque(name string, size int, expires time.Time) string {
	body := fmt.Sprintf(`{"exp":%d,"sub":"ann","name":%q,"pad":%q}`, expires.Unix(), name, strings.Repeat("x", size))
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".sig"
}

// become has a login's access token replaced by another in the file, by a rename, and
// waits until that is served.
func (h *house) become(m *login.Manager, refresh, access string) {
	h.Helper()
	temporary := filepath.Join(filepath.Dir(h.file), "new")
	mustDo(h.T, os.WriteFile(temporary, []byte(refresh+"\n"+access), 0o600))
	mustDo(h.T, os.Rename(temporary, h.file))
	s := m.Snapshot().State
	answer, err := m.Get(h.Context(), protocol.Query{ServerURL: protocol.DefaultServer, Rejected: s.Served.Access})
	if err != nil || answer.Secret != access {
		h.Fatalf("it is not served: %v", err)
	}
}

// client speaks the wire by hand, so that it can be wrong.
type client struct {
	*testing.T
	*net.UnixConn
	in *protocol.Reader
}

func (h *house) dial() *client {
	h.Helper()
	var c net.Conn
	h.eventually("a server on the socket", func() (ok bool) {
		var err error
		c, err = net.Dial("unix", h.sock)
		return err == nil
	})
	h.Cleanup(func() { c.Close() })
	return &client{T: h.T, UnixConn: c.(*net.UnixConn), in: protocol.NewReader(c)}
}

func (c *client) send(text string) {
	c.Helper()
	c.SetWriteDeadline(time.Now().Add(testkit.Patience))
	if _, err := io.WriteString(c.UnixConn, text); err != nil {
		c.Fatalf("send: %v", err)
	}
}

func (c *client) line() string {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(testkit.Patience))
	line, err := c.in.ReadLine()
	if err != nil {
		c.Fatalf("no answer: %v", err)
	}
	return line
}

// answer reads a line into v, or returns the error that it is.
func (c *client) answer(v any) error {
	c.Helper()
	return protocol.ParseAnswer(c.line(), v)
}

func (c *client) ask(request string, v any) error {
	c.Helper()
	c.send(request + "\n")
	return c.answer(v)
}

// wantCode asks and wants that error.
func (c *client) wantCode(request string, code protocol.Code) *protocol.Error {
	c.Helper()
	var got protocol.Credential
	err := c.ask(request, &got)
	var e *protocol.Error
	if !errors.As(err, &e) || e.Code != code {
		c.Fatalf("%.80q = %v, %v; want code %s", request, got, err, code)
	}
	return e
}

// secret is what get answers for fal.run.
func (c *client) secret() string {
	c.Helper()
	var got protocol.Credential
	if err := c.ask("get "+protocol.DefaultServer, &got); err != nil {
		c.Fatalf("get: %v", err)
	}
	return got.Secret
}

// wantEnd wants the server to hang up with nothing more said.
func (c *client) wantEnd() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(testkit.Patience))
	line, err := c.in.ReadLine()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("the connection goes on: %.200q, %v", line, err)
	}
}

// status asks on a connection of its own.
func (h *house) status() (s protocol.Status) {
	h.Helper()
	c := h.dial()
	defer c.Close()
	mustDo(h.T, c.ask("status", &s))
	return s
}

// next reads the next answer of a watch that is an access token or a code.
func (c *client) next() string {
	c.Helper()
	var got protocol.Credential
	err := c.answer(&got)
	var e *protocol.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	if err != nil {
		c.Fatal(err)
	}
	return got.Secret
}

// until reads answers of a watch up to the wanted one.
func (c *client) until(want string) {
	c.Helper()
	for c.next() != want {
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func mustContain(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
