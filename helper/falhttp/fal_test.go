package falhttp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon"
	falcli "github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol/env"
)

// fal is a login with its issuer, a daemon, and a server that wants the login's
// token of the moment.
type fal struct {
	*httptest.Server // answers 401 to anything but the token of the moment
	Client           *helper.Client

	idp  *idp.Server
	home string
	stop func()

	mu      sync.Mutex // guards what the server has seen
	refuse  bool       // any token, as after a revocation
	headers []http.Header
	bodies  []string
}

func startFal(teams ...idp.Team) (*fal, error) {
	issuer, err := idp.Start(idp.Config{Lifetime: 2 * time.Hour, Teams: teams})
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp(testkit.ShortRoot(), "fh")
	if err != nil {
		return nil, err
	}
	f := &fal{idp: issuer, home: home}
	f.Server = httptest.NewTLSServer(f)
	if err := f.login("ann"); err != nil {
		return nil, err
	}
	vars := map[string]string{"FAL_HOME_DIR": home, "FALCRED_SERVERS": f.URL}
	f.Client = helper.New(func(name string) (string, bool) { value, ok := vars[name]; return value, ok })
	servers, err := env.NewServers(func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	cfg := daemon.Config{Config: login.Config{Home: home, Issuer: issuer.URL, ClientID: "test-client", Servers: servers,
		REST: issuer.URL, FalConfig: falcli.Config{Path: filepath.Join(home, "config.toml")}}}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	cfg.Ready = func(string) { close(ready) }
	go func() { done <- daemon.Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	f.stop = func() {
		f.Client.Close()
		cancel()
		<-done
		f.Server.Close()
		issuer.Close()
		os.RemoveAll(home)
	}
	select {
	case <-ready:
		return f, nil
	case err := <-done:
		return nil, err
	}
}

// login leaves a new one in the file, with an access token.
func (f *fal) login(sub string) error {
	refresh, access, _ := f.idp.Login(sub)
	return os.WriteFile(filepath.Join(f.home, env.TokenFile), []byte(refresh+"\n"+access), 0o600)
}

func (f *fal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers, f.bodies = append(f.headers, r.Header.Clone()), append(f.bodies, string(body))
	if f.refuse || r.Header.Get("Authorization") == "" {
		f.refuse = false
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if to := r.URL.Query().Get("to"); to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	io.WriteString(w, "a cat")
}

// seen are the headers and bodies that have come, and are forgotten.
func (f *fal) seen() ([]http.Header, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	headers, bodies := f.headers, f.bodies
	f.headers, f.bodies = nil, nil
	return headers, bodies
}

func (f *fal) refuseOnce() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = true
}
