//go:build linux || darwin

package doctor

import (
	"testing"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
)

// S4: of a proxy's address that is wrong nothing is said, and of one that is right
// neither user nor password.
func TestProxyIsNamed_S4(t *testing.T) {
	const issuer = "https://issuer.invalid/"
	wrong := "issuer fail: " + issuer + " cannot be reached: " + httpx.ErrWrongProxy.Error() + "; " + httpx.ProxyHint + "\n"
	for setting, want := range map[string]string{
		"HTTPS_PROXY=http://u:p%40w@127.0.0.1:1":   "issuer fail: " + issuer + " cannot be reached through the proxy http://127.0.0.1:1: the proxy cannot be reached: connection refused; check HTTPS_PROXY and NO_PROXY\n",
		"HTTPS_PROXY=http://u:p#w@proxy:3128":      wrong,
		"HTTPS_PROXY=http://u:p/w@proxy:3128":      wrong,
		"HTTPS_PROXY=http://u:p?w@proxy:3128":      wrong,
		"HTTPS_PROXY=http://u:p w@proxy:3128":      wrong,
		`HTTPS_PROXY=http://DOM\u:pw@proxy:3128`:   wrong,
		"HTTPS_PROXY=http://u:12/34@proxy:3128":    wrong,
		"HTTPS_PROXY=http://u:pa@ss/wd@proxy:3128": wrong,
		"HTTPS_PROXY=http://u:pa@ss?wd@proxy:3128": wrong,
		"HTTPS_PROXY=http://u:pa@ss#wd@proxy:3128": wrong,
		"HTTPS_PROXY=http//proxy:3128":             wrong,
		"HTTPS_PROXY=http:/proxy:3128":             wrong,
		"HTTPS_PROXY=HTTP://proxy:31 28":           wrong,
		"HTTPS_PROXY=http://":                      wrong,
	} {
		cmd := testkit.Role("proxied", "FALCRED_TEST_ISSUER="+issuer, "GORACE=atexit_sleep_ms=0")
		for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
			cmd.Env = append(cmd.Env, name+"=")
		}
		cmd.Env = append(cmd.Env, setting)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out); got != want {
			t.Errorf("%s:\n%swant\n%s", setting, got, want)
		}
	}
}

// What net/http drops without a word is a finding of its own.
func TestDroppedProxyIsAFinding(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("https_proxy", "http://u:p%w@proxy:3128")
	findings := examineIssuer(t.Context(), Config{Config: login.Config{Issuer: "http://127.0.0.1:1"}})
	want := Finding{"proxy", Warn, "https_proxy cannot be parsed, and is not used", httpx.ProxyHint}
	if len(findings) != 2 || findings[0] != want {
		t.Errorf("%+v", findings)
	}
}
