//go:build system && unix

package main_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// provider is oidc-provider, which nobody here has written, behind a proxy that
// counts what falcred sends and stands in for the network. The programs know the
// proxy's address only.
type provider struct {
	*stage
	front  *front
	orders io.Writer      // to its standard input, a line each
	said   *bufio.Scanner // its answers, a line each
}

// installProvider lays the pinned packages beside the programs, once.
var installProvider = sync.OnceValue(func() error {
	folder := filepath.Join(bin, "provider")
	if err := os.CopyFS(folder, os.DirFS("testdata/provider")); err != nil {
		return err
	}
	cmd := exec.Command("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--prefix", folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm: %w\n%s", err, out)
	}
	return nil
})

func newProvider(t *testing.T) *provider {
	t.Helper()
	t.Parallel()
	node := testkit.NeedTool(t, "node")
	testkit.NeedTool(t, "npm")
	if err := installProvider(); err != nil {
		testkit.Missing(t, "npm's packages: ", err)
	}
	// No helper starts a daemon that no test would end.
	front := newFront(t)
	p := &provider{stage: &stage{testkit.NewHouseOf(t, "http://"+front.address), bin}, front: front}
	p.More = []string{"FALCRED_AUTOSTART=0"}

	cmd := exec.Command(node, "provider.mjs", p.Issuer, "test-client")
	cmd.Dir = filepath.Join(bin, "provider")
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it ends with its input
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("oidc-provider: %v\n%s", err, log.String())
		}
	})
	p.orders, p.said = in, bufio.NewScanner(out)
	if !p.said.Scan() {
		t.Fatal("oidc-provider did not start")
	}
	p.front.mu.Lock()
	p.front.behind = &url.URL{Scheme: "http", Host: "127.0.0.1:" + p.said.Text()}
	p.front.mu.Unlock()
	return p
}

// order is one line to provider.mjs, which names the members.
type order map[string]any

// order waits until it is carried out, and returns how many spent refresh tokens
// the provider has met so far: each of them ends its login there.
func (p *provider) order(o order) (reused int) {
	p.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		p.Fatal(err)
	}
	if _, err := p.orders.Write(append(line, '\n')); err != nil {
		p.Fatal(err)
	}
	var answer struct{ Reused int }
	if !p.said.Scan() {
		p.Fatal("oidc-provider has ended")
	}
	if err := json.Unmarshal(p.said.Bytes(), &answer); err != nil {
		p.Fatal(err)
	}
	return answer.Reused
}

// wantReused: reuse detections are falcred's to avoid.
func (p *provider) wantReused(want int) {
	p.Helper()
	if got := p.order(order{}); got != want {
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
			p.approve(page)
		}
	}
	if err := cmd.Wait(); err != nil {
		p.Fatalf("login: %v\n%s%s", err, said.String(), errs.String())
	}
	return said.String()
}

var (
	formTag   = regexp.MustCompile(`(?s)<form\b.*?</form>`)
	actionIs  = regexp.MustCompile(`\baction="([^"]*)"`)
	inputTag  = regexp.MustCompile(`(?s)<input\b[^>]*>`)
	attribute = regexp.MustCompile(`\b(name|value)="([^"]*)"`)
)

// approve goes from form to form as a browser does: the code, its confirmation,
// a name and a password, the consent.
func (p *provider) approve(page string) {
	p.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: testkit.Patience}
	resp, err := client.Get(page)
	for range 8 {
		if err != nil {
			p.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(body), "Sign-in Success") {
			return
		}
		form := formTag.FindString(string(body))
		action := actionIs.FindStringSubmatch(form)
		if action == nil {
			p.Fatalf("a page without a form: %s\n%s", resp.Status, body)
		}
		to, perr := resp.Request.URL.Parse(html.UnescapeString(action[1]))
		if perr != nil {
			p.Fatal(perr)
		}
		values := url.Values{"login": {"ann"}, "password": {"any"}}
		for _, input := range inputTag.FindAllString(form, -1) {
			has := map[string]string{}
			for _, a := range attribute.FindAllStringSubmatch(input, -1) {
				has[a[1]] = html.UnescapeString(a[2])
			}
			if has["value"] != "" {
				values.Set(has["name"], has["value"])
			}
		}
		resp, err = client.PostForm(to.String(), values)
	}
	p.Fatal("more forms than a login has")
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
