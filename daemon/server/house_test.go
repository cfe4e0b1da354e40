//go:build linux || darwin || windows

package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	os.Exit(m.Run())
}

// house is one home with a real issuer, a real login, a real server and real clients.
type house struct {
	*testkit.House
	cfg   login.Config
	share string // the share socket, "" for none
	uids  []int  // who may come there
}

func newHouse(t *testing.T, cfg idp.Config) *house {
	t.Helper()
	h := &house{House: testkit.NewHouse(t, cfg)}
	h.cfg = testConfig(t, h.Home, h.IDP.URL)
	return h
}

func testConfig(t testing.TB, home, issuer string) login.Config {
	t.Helper()
	return login.Config{Home: home, Issuer: issuer, ClientID: "test-client", Audience: "fal-cloud",
		Scopes: "openid profile email offline_access", Servers: testkit.FalServers()}
}

// open is a login that has read its file, as a daemon has before it answers anybody.
func (h *house) open() *login.Manager {
	h.Helper()
	ctx, end := context.WithCancel(context.Background())
	m, err := login.Open(ctx, h.cfg, h.Logger())
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
	sock *socket.Socket
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
	sock, err := socket.Open(h.Context(), socket.Options{Path: h.Sock, Home: h.cfg.Home})
	testkit.Must(h.T, err)
	ctx, end := context.WithCancel(context.Background())
	o := Options{Version: "test", Servers: h.cfg.Servers, Log: h.Logger(), Stop: end, Shared: h.share != ""}
	s := &served{New(m, o), sock, end, make(chan struct{})}
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

// opaque is an access token that nobody has signed: of that name, size and expiry.
func opaque(name string, size int, expires time.Time) string {
	body := fmt.Sprintf(`{"exp":%d,"sub":"ann","name":%q,"pad":%q}`, expires.Unix(), name, strings.Repeat("x", size))
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".sig"
}

// become has a login's access token replaced by another in the file, by a rename, and
// waits until that is served.
func (h *house) become(m *login.Manager, refresh, access string) {
	h.Helper()
	h.Rename(refresh + "\n" + access)
	s := m.Snapshot().State
	answer, err := m.Get(h.Context(), protocol.Query{ServerURL: protocol.DefaultServer, Rejected: protocol.Secret(s.Served.Access)})
	if err != nil || string(answer.Secret) != access {
		h.Fatalf("it is not served: %v", err)
	}
}
