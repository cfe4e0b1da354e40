package testkit

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
)

// House is one home with a real issuer, in which a test has something serve, and that its
// clients find at a real socket.
type House struct {
	*testing.T
	IDP    *idp.Server // nil where the issuer is one of the test's own
	Issuer string      // the issuer's URL
	Base   string      // a short folder of the test's own: the home, or where it lies
	Home   string
	File   string     // the token file
	Sock   string     // where clients connect
	More   []string   // further variables of the programs that run here
	Logged *LogBuffer // what Logger and programs were given; the end of it is printed if the test fails

	// Lively is called again and again while Dial waits, and may end the test; nil does
	// nothing.
	Lively func()
}

// NewHouse starts an issuer, whose access tokens live for 2 h if cfg does not say
// otherwise.
func NewHouse(t *testing.T, cfg idp.Config) *House {
	t.Helper()
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 2 * time.Hour
	}
	issuer := StartIssuer(t, cfg)
	h := NewHouseOf(t, issuer.URL)
	h.IDP = issuer
	return h
}

// NewHouseOf is for an issuer of the test's own.
func NewHouseOf(t *testing.T, issuer string) *House {
	t.Helper()
	h := &House{T: t, Issuer: issuer, Logged: new(LogBuffer)}
	h.NewHome()
	h.Logged.showIfFailed(t)
	return h
}

// StartIssuer starts one, which ends with the test.
func StartIssuer(t testing.TB, cfg idp.Config) *idp.Server {
	t.Helper()
	issuer, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	return issuer
}

// NewHome goes on with a new home, which holds no login, in a new base.
func (h *House) NewHome() {
	h.Helper()
	h.Base = ShortDir(h.T)
	h.MoveTo(h.Base)
}

// MoveTo goes on with another home, and with the socket in it.
func (h *House) MoveTo(home string) {
	h.Home, h.File, h.Sock = home, filepath.Join(home, env.TokenFile), filepath.Join(home, "falcred.sock")
}

// Env is all that a program of the house knows: nothing of the developer's own.
func (h *House) Env() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + h.Base,
		"FAL_HOME_DIR=" + h.Home,
		"FALCRED_SOCKET=" + h.Sock,
		"FALCRED_ISSUER=" + h.Issuer,
		"FALCRED_CLIENT_ID=test-client",
		"FALCRED_NOTIFY=0",                         // the developer's desktop is told nothing
		"GORACE=halt_on_error=1 atexit_sleep_ms=0", // a race ends a program that looks for them
	}, h.More...)
}

// Start starts a process whose complaints are logged. It is gone when the test ends.
func (h *House) Start(cmd *exec.Cmd) *exec.Cmd {
	h.Helper()
	cmd.Stderr = h.Logged
	return Start(h.T, cmd)
}

// Logger logs all into Logged.
func (h *House) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Fresh is a new login of ann, in the token file's form.
func (h *House) Fresh() (text, access string) {
	refresh, access, _ := h.IDP.Login("ann")
	return refresh + "\n" + access, access
}

// SignIn writes a whole login, as an SDK that has just refreshed leaves it.
func (h *House) SignIn(sub string) (refresh, access string) {
	h.Helper()
	refresh, access, _ = h.IDP.Login(sub)
	h.WriteFile(refresh + "\n" + access)
	return refresh, access
}

// Rename has the token file hold that, by a rename, which on Windows waits while somebody reads
// it: nobody reads half of it.
func (h *House) Rename(text string) {
	h.Helper()
	h.Must(os.WriteFile(h.File+".new", []byte(text), 0o600))
	h.Must(disk.Rename(h.File+".new", h.File))
}

// WriteFile has the token file hold that, in place, as the neighbours write.
func (h *House) WriteFile(text string) {
	h.Helper()
	h.Must(os.WriteFile(h.File, []byte(text), 0o600))
}

// Tokens reads the token file as the SDK does.
func (h *House) Tokens() (refresh, access string, err error) {
	data, err := ReadFile(h.File)
	refresh, access, _ = strings.Cut(string(data), "\n")
	return refresh, access, err
}

// Must ends the test at an error.
func (h *House) Must(err error) {
	h.Helper()
	Must(h.T, err)
}

// Eventually polls what no channel tells.
func (h *House) Eventually(what string, done func() bool) {
	h.Helper()
	Eventually(h.T, what, done)
}

// At is the same house, seen through another socket.
func (h *House) At(socket string) *House {
	other := *h
	other.Sock = socket
	return &other
}

// Dial connects, as soon as somebody serves.
func (h *House) Dial() *Client {
	h.Helper()
	var c *Conn
	h.Eventually("somebody serves on the socket", func() (ok bool) {
		var err error
		c, err = Dial(h.Sock)
		if h.Lively != nil {
			h.Lively()
		}
		return err == nil
	})
	return NewClient(h.T, c)
}

// Ask asks on a connection of its own.
func (h *House) Ask(request string, v any) error { return Ask(h.Sock, request, v) }

// Status asks on a connection of its own.
func (h *House) Status() (s protocol.Status) {
	h.Helper()
	c := h.Dial()
	defer c.Close()
	if err := c.Ask("status", &s); err != nil {
		h.Fatal(err)
	}
	return s
}

// Client speaks the wire by hand, so that it can be wrong. What does not come in time
// ends the test.
type Client struct {
	*testing.T
	*Conn
	In *protocol.Reader
}

// NewClient speaks on that connection, which goes with the test.
func NewClient(t *testing.T, c *Conn) *Client {
	t.Cleanup(func() { c.Close() })
	return &Client{T: t, Conn: c, In: protocol.NewReader(c)}
}

// Send writes that, whatever it is.
func (c *Client) Send(text string) {
	c.Helper()
	c.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.Fatalf("send: %v", err)
	}
}

// Line is the next that comes.
func (c *Client) Line() string {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(Patience))
	line, err := c.In.ReadLine()
	if err != nil {
		c.Fatalf("no answer: %v", err)
	}
	return line
}

// Answer reads a line into v, or returns the error that it is.
func (c *Client) Answer(v any) error {
	c.Helper()
	return protocol.ParseAnswer(c.Line(), v)
}

// Ask sends a request, and reads its answer.
func (c *Client) Ask(request string, v any) error {
	c.Helper()
	c.Send(request + "\n")
	return c.Answer(v)
}

// WantCode asks and wants that error.
func (c *Client) WantCode(request string, code protocol.Code) *protocol.Error {
	c.Helper()
	var got protocol.Credential
	err := c.Ask(request, &got)
	var e *protocol.Error
	if !errors.As(err, &e) || e.Code != code {
		c.Fatalf("%.80q = %v, %v; want code %s", request, got, err, code)
	}
	return e
}

// Secret is what get answers for fal.run.
func (c *Client) Secret() string {
	c.Helper()
	var got protocol.Credential
	if err := c.Ask("get "+protocol.DefaultServer, &got); err != nil {
		c.Fatalf("get: %v", err)
	}
	return string(got.Secret)
}

// WantEnd wants the other end to hang up with nothing more said.
func (c *Client) WantEnd() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(Patience))
	line, err := c.In.ReadLine()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("the connection goes on: %.200q, %v", line, err)
	}
}

// Next reads the next answer of a get or a watch: an access token, or an error's code.
func (c *Client) Next() string {
	c.Helper()
	var got protocol.Credential
	err := c.Answer(&got)
	var e *protocol.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	if err != nil {
		c.Fatal(err)
	}
	return string(got.Secret)
}

// Until reads answers of a watch up to the wanted one.
func (c *Client) Until(want string) {
	c.Helper()
	for c.Next() != want {
	}
}

// Gone says that there is nothing of that name.
func Gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}
