//go:build linux || darwin

package httpx

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"proxied": playProxied})
	os.Exit(m.Run())
}

// playProxied says, through which host net/http would go: it reads the
// environment once in a process's life.
func playProxied() error {
	req, err := http.NewRequest(http.MethodGet, "https://auth.fal.ai/", nil)
	if err != nil {
		return err
	}
	switch proxy, err := NewTransport().Proxy(req); {
	case err != nil:
		fmt.Print(Describe(err))
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
	wrong := ErrWrongProxy.Error()
	for setting, want := range map[string]string{
		"HTTPS_PROXY=": "none",
		"HTTPS_PROXY=http://proxy.example.com:3128":           "proxy.example.com:3128",
		"https_proxy=http://proxy.example.com":                "proxy.example.com",
		"HTTPS_PROXY=proxy.example.com:3128":                  "proxy.example.com:3128",
		"HTTPS_PROXY=proxy.example.com":                       "proxy.example.com",
		"HTTPS_PROXY=socks5://127.0.0.1:1080":                 "127.0.0.1:1080",
		"HTTPS_PROXY=socks://127.0.0.1:1080":                  "127.0.0.1:1080", // to net/http that is HTTP, and may be
		"HTTPS_PROXY=socks5://socks5:1080":                    "socks5:1080",
		"HTTPS_PROXY=:3128":                                   ":3128",
		"HTTPS_PROXY=http://proxy:":                           "proxy:",
		"HTTPS_PROXY=http://u:p%w@proxy:3128":                 "none",
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
		"HTTPS_PROXY=HTTP://proxy:31 28":                      wrong,
		"HTTPS_PROXY=http://":                                 wrong,
		"HTTPS_PROXY=http://u:p/w@proxy:3128 NO_PROXY=fal.ai": "none",
	} {
		cmd := testkit.Role("proxied", "GORACE=atexit_sleep_ms=0")
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

// What net/http drops without a word, doctor names.
func TestDroppedProxyIsFound(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "")
	for value, want := range map[string]string{
		"":                            "",
		"http://proxy:3128":           "",
		"proxy:3128":                  "",
		"http://u:p%w@proxy:3128":     "https_proxy",
		" http://proxy:3128":          "https_proxy",
		"http://u:pass@proxy:3128/\n": "https_proxy",
	} {
		t.Setenv("https_proxy", value)
		if got := DroppedProxy(); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
