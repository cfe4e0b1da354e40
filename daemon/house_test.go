//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// patience bounds every wait of these tests for something that must come.
const patience = 20 * time.Second

// house is one home with a real issuer, a real daemon and real clients.
type house struct {
	*testing.T
	idp  *idp.Server
	cfg  Config
	file string // the token file
	sock string
	log  *syncBuffer
	stop context.CancelFunc
	done chan error
}

func newHouse(t *testing.T, cfg idp.Config) *house {
	t.Helper()
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 2 * time.Hour
	}
	issuer, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	home := shortDir(t)
	return &house{T: t, idp: issuer, cfg: testConfig(home, issuer.URL), log: &syncBuffer{},
		file: filepath.Join(home, env.TokenFile), sock: filepath.Join(home, "falcred.sock")}
}

// shortDir fits a socket's path, which t.TempDir does not.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
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
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

func (h *house) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// run starts the daemon; its clients wait for it by dialling.
func (h *house) run() {
	h.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.done = cancel, make(chan error, 1)
	go func() { h.done <- Run(ctx, h.cfg, h.logger()) }()
	h.Cleanup(func() {
		if h.stop != nil {
			h.end()
		}
	})
}

// end stops the daemon and waits for it.
func (h *house) end() {
	h.Helper()
	h.stop()
	h.stop = nil
	select {
	case err := <-h.done:
		if err != nil {
			h.Errorf("Run: %v\n%s", err, h.log)
		}
	case <-time.After(patience):
		h.Fatalf("the daemon does not end\n%s", h.log)
	}
}

// serve runs a server with changed timeouts or limits, without the rest of
// Run.
func (h *house) serve(change func(*server)) *server {
	h.Helper()
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		h.Fatal(err)
	}
	l.check()
	return h.serveLogin(l, change)
}

// open is a login and its socket that nobody serves yet.
func (h *house) open() (*Login, *socket) {
	h.Helper()
	l, err := newLogin(h.cfg, h.logger())
	if err != nil {
		h.Fatal(err)
	}
	sock, err := openSocket(context.Background(), h.cfg)
	if err != nil {
		h.Fatal(err)
	}
	l.check()
	return l, sock
}

func (h *house) serveLogin(l *Login, change func(*server)) *server {
	h.Helper()
	sock, err := openSocket(context.Background(), h.cfg)
	if err != nil {
		h.Fatal(err)
	}
	s := newServer(l, sock.path)
	change(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.serve(ctx, sock)
		close(done)
	}()
	h.Cleanup(func() {
		cancel()
		<-done
		l.work.Wait()
		sock.close()
	})
	return s
}

// eventually polls what no channel tells.
func (h *house) eventually(what string, done func() bool) {
	h.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			h.Fatalf("never: %s\n%s", what, h.log)
		}
	}
}

// client speaks the wire by hand, so that it can be wrong.
type client struct {
	*testing.T
	*net.UnixConn
	in  *protocol.Reader
	log *syncBuffer
}

func (h *house) dial() *client {
	h.Helper()
	var c net.Conn
	h.eventually("a daemon on the socket", func() (ok bool) {
		var err error
		c, err = net.Dial("unix", h.sock)
		if h.done != nil {
			select {
			case err := <-h.done:
				h.stop = nil
				h.Fatalf("Run ended: %v\n%s", err, h.log)
			default:
			}
		}
		return err == nil
	})
	h.Cleanup(func() { c.Close() })
	return &client{T: h.T, UnixConn: c.(*net.UnixConn), in: protocol.NewReader(c), log: h.log}
}

// dialAtOnce does not leave the daemon a moment.
func (h *house) dialAtOnce() *client {
	h.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if c, err := net.Dial("unix", h.sock); err == nil {
			h.Cleanup(func() { c.Close() })
			return &client{T: h.T, UnixConn: c.(*net.UnixConn), in: protocol.NewReader(c), log: h.log}
		}
	}
	h.Fatalf("no daemon\n%s", h.log)
	return nil
}

func (c *client) send(text string) {
	c.Helper()
	c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.UnixConn, text); err != nil {
		c.Fatalf("send: %v", err)
	}
}

func (c *client) line() string {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	line, err := c.in.ReadLine()
	if err != nil {
		c.Fatalf("no answer: %v\n%s", err, c.log)
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
		c.Fatalf("%.80q = %v, %v; want code %s\n%s", request, got, err, code, c.log)
	}
	return e
}

// secret is what get answers for fal.run.
func (c *client) secret() string {
	c.Helper()
	var got protocol.Credential
	if err := c.ask("get "+protocol.DefaultServer, &got); err != nil {
		c.Fatalf("get: %v\n%s", err, c.log)
	}
	return string(got.Secret)
}

// wantEnd wants the daemon to hang up with nothing more said.
func (c *client) wantEnd() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
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
	if err := c.ask("status", &s); err != nil {
		h.Fatal(err)
	}
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
	return string(got.Secret)
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
