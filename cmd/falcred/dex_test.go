//go:build unix && system

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// dexVersion is a real identity provider's, which nobody here has written.
const dexVersion = "v0.0.0-20260303133905-11d2eeb52b42"

// dexLifetime is that of its tokens: falcred refreshes at half of it.
const dexLifetime = 6 * time.Second

// A login at dex by its device flow, refreshes by the daemon, and what becomes
// of a spent token: dex says invalid_request, and R8 keeps everything.
func TestDex(t *testing.T) {
	d := startDex(t)
	login := d.falcred("login", "--no-browser")
	out, err := login.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if code, ok := strings.CutPrefix(lines.Text(), "user_code: "); ok {
			d.confirm(code)
		}
	}
	if err := login.Wait(); err != nil {
		t.Fatalf("login: %v\n%s", err, strings.Join(said, "\n"))
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "logged in, Kilgore Trout (kilgore@kilgore.trout)") {
		t.Errorf("it greets nobody:\n%s", text)
	}
	spent, _ := readTokens(d.file)

	stop := d.daemon()
	d.until("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	if now, access := readTokens(d.file); now == spent || access == "" {
		t.Error("the file was not refreshed")
	}
	stop()

	// An old copy of the file, in a home that does not know it: the worst case.
	os.Remove(filepath.Join(d.home, "falcred.json"))
	os.Remove(filepath.Join(d.home, "falcred.consumed"))
	if err := writeTokens(d.file, spent, ""); err != nil {
		t.Fatal(err)
	}
	stop = d.daemon()
	defer stop()
	s := d.until("dex refuses the spent token", func(s protocol.Status) bool { return strings.Contains(s.LastError, "invalid_request") })
	if wait := time.Until(s.NextRefresh); wait < 50*time.Minute {
		t.Errorf("it is tried again in %s, not hourly (R8)", wait)
	}
	if now, _ := readTokens(d.file); now != spent {
		t.Error("the file was touched (R8)")
	}
}

// dex is one running dex, and a home for its login.
type dex struct {
	*testing.T
	issuer, home, file string
}

func startDex(t *testing.T) *dex {
	t.Helper()
	binary := buildDex(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	home := testkit.ShortDir(t)
	d := &dex{T: t, issuer: "http://" + address + "/dex", home: home, file: filepath.Join(home, env.TokenFile)}
	config := filepath.Join(t.TempDir(), "dex.yaml")
	text := fmt.Sprintf(dexConfig, d.issuer, address, dexLifetime)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", config)
	log, err := os.Create(filepath.Join(t.TempDir(), "dex.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	testkit.Start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			data, _ := os.ReadFile(log.Name())
			t.Logf("dex says\n%s", data)
		}
	})
	testkit.Eventually(t, "dex", func() bool {
		resp, err := http.Get(d.issuer + "/.well-known/openid-configuration")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return d
}

const dexConfig = `issuer: %s
storage:
  type: memory
web:
  http: %s
oauth2:
  skipApprovalScreen: true
expiry:
  idTokens: %s
  refreshTokens:
    reuseInterval: 1s
staticClients:
- id: falcred-test
  name: falcred
  public: true
connectors:
- type: mockCallback
  id: mock
  name: Mock
`

// buildDex builds it once for each version, outside of this module.
func buildDex(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	folder := filepath.Join(cache, "falcred-tests", "dex-"+dexVersion)
	binary := filepath.Join(folder, "dex")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if os.Getenv("CI") == "" {
		t.Skip("dex is not built here: CI=1 builds it, which takes minutes")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mod", "init", "dex.example"},
		{"get", "-tool", "github.com/dexidp/dex/cmd/dex@" + dexVersion},
		{"build", "-o", binary + ".new", "github.com/dexidp/dex/cmd/dex"},
	} {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil && args[0] == "mod" {
			continue // a build that was ended in the middle
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.Rename(binary+".new", binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// confirm goes through dex's pages as a browser does.
func (d *dex) confirm(userCode string) {
	d.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	resp, err := client.PostForm(d.issuer+"/device/auth/verify_code", url.Values{"user_code": {userCode}})
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "Login Successful") {
		d.Errorf("dex did not take the code: %s\n%s", resp.Status, page)
	}
}

// falcred is this test's own binary, which testscript turns into falcred.
func (d *dex) falcred(args ...string) *exec.Cmd {
	d.Helper()
	self, err := os.Executable()
	if err != nil {
		d.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"falcred"}, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "FAL_HOME_DIR=" + d.home,
		"FALCRED_ISSUER=" + d.issuer, "FALCRED_CLIENT_ID=falcred-test",
	}
	return cmd
}

func (d *dex) daemon() (stop func()) {
	d.Helper()
	cmd := d.falcred("run", "--log-level", "warn")
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	return func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			d.Errorf("falcred run: %v", err)
		}
	}
}

// until waits for a status.
func (d *dex) until(what string, is func(protocol.Status) bool) (s protocol.Status) {
	d.Helper()
	client := &helper.Client{Socket: filepath.Join(d.home, "falcred.sock")}
	defer client.Close()
	came := testkit.Within(testkit.Patience, func() bool {
		var err error
		s, err = client.Status(context.Background())
		return err == nil && is(s)
	})
	if came {
		return s
	}
	d.Fatalf("%s did not come: %+v", what, s)
	return s
}
