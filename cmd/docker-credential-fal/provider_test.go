//go:build system && unix

package main_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/testkit/providers"
	"github.com/falcred/falcred/protocol"
)

// provider is oidc-provider, which nobody here has written, behind a proxy that
// counts what falcred sends and stands in for the network. The programs know the
// proxy's address only.
type provider struct {
	*stage
	front *front
	real  *providers.OIDC
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	t.Parallel()
	// No helper starts a daemon that no test would end.
	front := newFront(t)
	p := &provider{stage: &stage{testkit.NewHouseOf(t, "http://"+front.address), bin}, front: front}
	p.More = []string{"FALCRED_AUTOSTART=0"}
	p.real = providers.StartOIDC(t, p.Issuer)
	p.front.mu.Lock()
	p.front.behind = &url.URL{Scheme: "http", Host: p.real.Address}
	p.front.mu.Unlock()
	return p
}

// order waits until it is carried out.
func (p *provider) order(o order) {
	p.Helper()
	p.real.Order(providers.Order(o))
}

// order is one line to the provider.
type order map[string]any

// wantReused: reuse detections are falcred's to avoid.
func (p *provider) wantReused(want int) {
	p.Helper()
	if got := p.real.Order(providers.Order{}); got != want {
		p.Errorf("the provider has met %d spent refresh tokens, want %d", got, want)
	}
}

// refused sends a refresh token past falcred and the proxy, as somebody with a
// copy of the file would, and wants invalid_grant.
func (p *provider) refused(refresh string) {
	p.Helper()
	resp, err := http.PostForm(p.front.behind.String()+"/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"test-client"}, "refresh_token": {refresh},
	})
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"invalid_grant"`) {
		p.Errorf("the refresh token lives: %s", resp.Status)
	}
}

// falcred is a command of the installed program.
func (p *provider) falcred(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, "falcred"), args...)
	cmd.Env = p.Env()
	return cmd
}

// login is `falcred login`, and what a person does in a browser.
func (p *provider) login() string {
	p.Helper()
	cmd := p.falcred("login", "--no-browser")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if page, ok := strings.CutPrefix(lines.Text(), "verification_uri_complete: "); ok {
			providers.Approve(p, page)
		}
	}
	if err := cmd.Wait(); err != nil {
		p.Fatalf("login: %v\n%s%s", err, said.String(), errs.String())
	}
	return said.String()
}

// start runs the daemon until the test ends, or until end: SIGTERM, or kill -9.
func (p *provider) start() (end func(os.Signal)) {
	p.Helper()
	var log bytes.Buffer
	cmd := p.falcred("run")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	end = func(signal os.Signal) {
		if cmd.ProcessState != nil {
			return
		}
		cmd.Process.Signal(signal)
		err := cmd.Wait()
		if signal == syscall.SIGTERM && err != nil {
			p.Errorf("falcred run: %v", err)
		}
		if p.Failed() {
			p.Logf("the daemon says\n%s", log.String())
		}
	}
	p.Cleanup(func() { end(syscall.SIGTERM) })
	p.listens(p.Sock)
	return end
}

// statusIs waits for a status.
func (p *provider) statusIs(what string, is func(protocol.Status) bool) (s protocol.Status) {
	p.Helper()
	ok := testkit.Within(testkit.Patience, func() bool {
		var err error
		s, err = p.status(p.Sock)
		return err == nil && is(s)
	})
	if !ok {
		p.Fatalf("%s did not come: %+v", what, s)
	}
	return s
}

// inDoubt: the newest ID token is served unverified (R10).
func inDoubt(s protocol.Status) bool {
	return slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "unverified") })
}

// served waits until docker-credential-fal prints the file's token, whose ID token
// has then been judged, and returns the status after it.
func (p *provider) served() protocol.Status {
	p.Helper()
	p.wantExit(0)
	s, err := p.status(p.Sock)
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// wantVerified: no token that is served is in doubt.
func (p *provider) wantVerified() {
	p.Helper()
	if s := p.served(); inDoubt(s) || s.State != protocol.StateLoggedIn || s.Subject != "ann" || s.LastError != "" {
		p.Errorf("not verified: %+v", s)
	}
}

// wantExit runs `docker-credential-fal token` until it ends that way (§4): 0, and
// prints what the file holds, 3 (login required) or 75 (try again later).
func (p *provider) wantExit(code int) {
	p.Helper()
	var r result
	ok := testkit.Within(testkit.Patience, func() bool {
		r = p.run(p.Sock, "", nil, "token")
		if r.err == nil {
			_, access := p.tokens()
			return code == 0 && r.stdout == access+"\n"
		}
		if r.stdout != "" {
			p.Fatalf("it fails, and prints %d bytes", len(r.stdout))
		}
		exit := new(exec.ExitError)
		return errors.As(r.err, &exit) && exit.ExitCode() == code
	})
	if !ok {
		p.Fatalf("token never ends with %d and the file's: %v\n%s", code, r.err, r.stderr)
	}
}

// due leaves the login's first line in the file, as `fal auth login` does: whoever
// reads it next refreshes at once.
func (p *provider) due() {
	p.Helper()
	refresh, _ := p.tokens()
	p.WriteFile(refresh)
}

// expires waits until the access token in the file has run out.
func (p *provider) expires() {
	p.Helper()
	p.Eventually("the access token runs out", func() bool {
		_, access := p.tokens()
		_, rest, _ := strings.Cut(access, ".")
		claims, _, _ := strings.Cut(rest, ".")
		data, err := base64.RawURLEncoding.DecodeString(claims)
		var body struct{ Exp int64 }
		if err != nil || json.Unmarshal(data, &body) != nil || body.Exp == 0 {
			p.Fatal("the access token is no JWT that says when")
		}
		return time.Now().After(time.Unix(body.Exp, 0))
	})
}
