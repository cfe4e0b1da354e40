//go:build linux || darwin

package daemon

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// playProxied says through which host net/http would go: it reads the
// environment once in a process's life.
func playProxied() error {
	req, err := http.NewRequest(http.MethodGet, FalIssuer, nil)
	if err != nil {
		return err
	}
	switch proxy, err := proxyOf(req); {
	case err != nil:
		fmt.Print(plain(err), "; ", mendReach(err, ""))
	case proxy == nil:
		fmt.Print("none")
	default:
		fmt.Print(proxy.Host)
	}
	return nil
}

// S4: a password that ends the address is not taken for a host, and no piece of it
// is said.
func TestProxyOf(t *testing.T) {
	wrong := errWrongProxy.Error() + "; " + proxyForm
	for setting, want := range map[string]string{
		"HTTPS_PROXY=": "none",
		"HTTPS_PROXY=http://proxy.example.com:3128":           "proxy.example.com:3128",
		"https_proxy=http://proxy.example.com":                "proxy.example.com",
		"HTTPS_PROXY=proxy.example.com:3128":                  "proxy.example.com:3128",
		"HTTPS_PROXY=proxy.example.com":                       "proxy.example.com",
		"HTTPS_PROXY=socks5://127.0.0.1:1080":                 "127.0.0.1:1080",
		"HTTPS_PROXY=http://[::1]:3128/":                      "[::1]:3128",
		"HTTPS_PROXY=http://u:p%40w@proxy:3128":               "proxy:3128",
		"HTTPS_PROXY=http://u:p@w@proxy:3128":                 "proxy:3128",
		"HTTPS_PROXY=http://u:p#w@proxy:3128":                 wrong,
		"HTTPS_PROXY=http://u:p/w@proxy:3128":                 wrong,
		"HTTPS_PROXY=http://u:p?w@proxy:3128":                 wrong,
		"HTTPS_PROXY=http://u:p w@proxy:3128":                 wrong,
		`HTTPS_PROXY=http://DOM\u:pw@proxy:3128`:              wrong,
		"HTTPS_PROXY=http://u:12/34@proxy:3128":               wrong,
		"HTTPS_PROXY=http://u:pa@ss/wd@proxy:3128":            wrong,
		"HTTPS_PROXY=http://u:pa@ss?wd@proxy:3128":            wrong,
		"HTTPS_PROXY=http://u:pa@ss#wd@proxy:3128":            wrong,
		"HTTPS_PROXY=http//proxy:3128":                        wrong,
		"HTTPS_PROXY=http:/proxy:3128":                        wrong,
		"HTTPS_PROXY=socks4://proxy:1080":                     wrong,
		"HTTPS_PROXY=http://":                                 wrong,
		"HTTPS_PROXY=http://u:p/w@proxy:3128 NO_PROXY=fal.ai": "none",
	} {
		cmd := play("proxied")
		for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
			cmd.Env = append(cmd.Env, name+"=")
		}
		setting, noProxy, _ := strings.Cut(setting, " NO_PROXY=")
		cmd.Env = append(cmd.Env, setting, "NO_PROXY="+noProxy)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out); got != want {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
}

// R12: what an issuer's discovery calls a host is said only where it could be one.
func TestPlainNamesHosts(t *testing.T) {
	for host, want := range map[string]string{
		"id.example.com":         "the name id.example.com cannot be resolved",
		"xn--bcher-kva.example":  "the name xn--bcher-kva.example cannot be resolved",
		"\u009b31mid.example":    "its name cannot be resolved",
		"id\u202e.example":       "its name cannot be resolved",
		"$(id)'.example":         "its name cannot be resolved",
		strings.Repeat("a", 254): "its name cannot be resolved",
	} {
		if got := plain(&net.DNSError{Name: host, Err: "no such host"}); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
