//go:build system && unix

package providers

import (
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
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// dexVersion is the one that the tests were written against.
const dexVersion = "v0.0.0-20260303133905-11d2eeb52b42"

// DexClient is the one client that dex knows.
const DexClient = "falcred-test"

// Dex is a running dex. Anybody may log in there, as Kilgore Trout.
type Dex struct {
	Address string // where it really is, host:port

	t      testing.TB
	issuer string
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
    reuseInterval: %s
staticClients:
- id: %s
  name: falcred
  public: true
connectors:
- type: mockCallback
  id: mock
  name: Mock
`

// buildDex builds it outside of this module, once.
var buildDex = sync.OnceValues(func() (folder string, err error) {
	return install("dex", []byte(dexVersion), func(folder string) error {
		for _, args := range [][]string{
			{"mod", "init", "dex.example"},
			{"get", "-tool", "github.com/dexidp/dex/cmd/dex@" + dexVersion},
			{"build", "-o", "dex", "github.com/dexidp/dex/cmd/dex"},
		} {
			cmd := exec.Command("go", args...)
			cmd.Dir = folder
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
			}
		}
		return nil
	})
})

// FreeAddress is a port of loopback that nobody uses now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// StartDex starts one at that address, with an issuer URL that ends in /dex. Its tokens live so long, and a
// used refresh token works for reuse longer.
func StartDex(t testing.TB, address, issuer string, lifetime, reuse time.Duration) *Dex {
	t.Helper()
	folder, err := buildDex()
	if err != nil {
		testkit.Missing(t, "dex: ", err)
	}
	config := filepath.Join(t.TempDir(), "dex.yaml")
	text := fmt.Sprintf(dexConfig, issuer, address, lifetime, reuse, DexClient)
	testkit.Must(t, os.WriteFile(config, []byte(text), 0o600))
	cmd := exec.Command(filepath.Join(folder, "dex"), "serve", config)
	log, err := os.Create(filepath.Join(t.TempDir(), "dex.log"))
	testkit.Must(t, err)
	t.Cleanup(func() { log.Close() })
	cmd.Stdout, cmd.Stderr = log, log
	testkit.Start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			data, _ := os.ReadFile(log.Name())
			t.Logf("dex says\n%s", data[max(0, len(data)-8000):])
		}
	})
	testkit.Eventually(t, "dex", func() bool {
		resp, err := http.Get("http://" + address + "/dex/.well-known/openid-configuration")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return &Dex{Address: address, t: t, issuer: issuer}
}

// Confirm goes through dex's pages as a browser does.
func (d *Dex) Confirm(userCode string) {
	d.t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	resp, err := client.PostForm(d.issuer+"/device/auth/verify_code", url.Values{"user_code": {userCode}})
	testkit.Must(d.t, err)
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "Login Successful") {
		d.t.Errorf("dex did not take the code: %s\n%s", resp.Status, page)
	}
}
