//go:build linux || darwin

package httpx

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"proxied": playProxied, "asking": playAsking})
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

// playAsking asks at the addresses that it reads, in one process: crypto/x509 reads its
// roots once in its life.
func playAsking() error {
	client := Client(NewTransport())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		req, err := http.NewRequest(http.MethodPost, lines.Text(), nil)
		if err != nil {
			return err
		}
		// Pipes, as net/http closes a body that it does not send.
		req.GetBody = func() (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { io.WriteString(w, "a body"); w.Close() }()
			return r, nil
		}
		req.Body, _ = req.GetBody()
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(Describe(err))
			continue
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	return lines.Err()
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
		for _, name := range append(proxyVariables, "NO_PROXY", "no_proxy", "REQUEST_METHOD") {
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

// §3: the variables are Python's, urllib's and httpx's, and in its order; without a scheme
// a proxy is an HTTP one.
func TestProxyVariables_Section3(t *testing.T) {
	for settings, want := range map[string]string{
		"ALL_PROXY=http://all:1":                            "all:1",
		"all_proxy=all:1":                                   "all:1",
		"ALL_PROXY=socks5://all:1":                          "all:1",
		"ALL_PROXY=socks5h://u:p%40w@all:1":                 "all:1",
		"ALL_PROXY=socks://all:1/":                          "all:1",
		"HTTPS_PROXY=upper:1 https_proxy=lower:1":           "lower:1",
		"HTTPS_PROXY=upper:1 all_proxy=all:1":               "upper:1",
		"ALL_PROXY=upper:1 all_proxy=lower:1":               "lower:1",
		"HTTP_PROXY=plain:1":                                "none", // for plain http, of which there is loopback's alone
		"ALL_PROXY=all:1 NO_PROXY=auth.fal.ai":              "none",
		"ALL_PROXY=all:1 no_proxy=fal.ai":                   "none",
		"ALL_PROXY=all:1 no_proxy=fal.ai NO_PROXY=else.com": "none",
		"ALL_PROXY=all:1 no_proxy=else.com NO_PROXY=fal.ai": "all:1",
		"ALL_PROXY=http://u:pa#w@all:1":                     "ALL_PROXY is not the address of a proxy",
	} {
		cmd := testkit.Role("proxied", "GORACE=atexit_sleep_ms=0")
		for _, name := range append(proxyVariables, "NO_PROXY", "no_proxy", "REQUEST_METHOD") {
			cmd.Env = append(cmd.Env, name+"=")
		}
		cmd.Env = append(cmd.Env, strings.Fields(settings)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out); got != want {
			t.Errorf("%s: %q, want %q", settings, got, want)
		}
	}
}

// R7, R12: a request whose time is up says what it was waiting for.
func TestR7SilentProxyIsNamed(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	transport := NewTransport()
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: silent.Addr().String(), User: url.UserPassword("u", "a secret")})
	accepted := make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		defer close(accepted)
		c, err := silent.Accept()
		if err == nil {
			defer c.Close()
			c.Read(make([]byte, 1)) // CONNECT is here
		}
		cancel(ErrConnectSlow)
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://issuer.example.com/", nil)
	_, err = Client(transport).Do(req)
	<-accepted
	if err == nil || Describe(err) != "the proxy does not answer" || strings.Contains(err.Error(), "a secret") {
		t.Errorf("%v is called %q", err, Describe(err))
	}
}

// What net/http drops without a word, doctor names.
func TestDroppedProxyIsFound(t *testing.T) {
	for _, name := range proxyVariables {
		t.Setenv(name, "")
	}
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
