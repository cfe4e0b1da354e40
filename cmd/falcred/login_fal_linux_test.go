package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/testkit"
)

// falIssuer is fal's issuer by its own name and certificate, behind a proxy that leads nowhere else.
func falIssuer(t *testing.T) (provider *idp.Provider, env []string) {
	t.Helper()
	provider, err := idp.New(issuer.FalIssuer, idp.Config{ClientID: issuer.FalClientID, Audience: issuer.FalAudience, AutoApprove: true, Interval: time.Second})
	testkit.Must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"auth.fal.ai"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	testkit.Must(t, err)
	roots := filepath.Join(t.TempDir(), "ca.pem")
	testkit.Must(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))

	inside := httptest.NewUnstartedServer(provider)
	inside.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	inside.StartTLS()
	t.Cleanup(inside.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "auth.fal.ai:443" {
			http.Error(w, "no such host here", http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", inside.Listener.Addr().String())
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		go func() { io.Copy(there, buffered); there.Close() }()
		go func() { io.Copy(here, there); here.Close() }()
	}))
	t.Cleanup(proxy.Close)
	return provider, []string{"HTTPS_PROXY=" + proxy.URL, "SSL_CERT_FILE=" + roots}
}

// C7, C8: at fal's issuer the way to sign in is the fal CLI's, and so are the file that remembers it
// and the page that ends the browser's session.
func TestLoginAtFal_C7_C8(t *testing.T) {
	t.Parallel()
	provider, env := falIssuer(t)
	base := testkit.ShortDir(t)
	home := filepath.Join(base, ".fal")
	last := func() string {
		data, _ := os.ReadFile(filepath.Join(home, "last_auth_connection"))
		return string(data)
	}
	self, err := os.Executable()
	testkit.Must(t, err)
	login := func(args ...string) (lines map[string]string, errs string) {
		t.Helper()
		cmd := exec.Command(self)
		cmd.Args = append([]string{"falcred", "login"}, args...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + base, "FAL_HOME_DIR=" + home}, env...)
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		cmd.Run() // who is refused says so
		lines = map[string]string{}
		for _, line := range strings.Split(out.String(), "\n") {
			name, value, _ := strings.Cut(line, ": ")
			lines[name] = value
		}
		return lines, complaints.String()
	}
	connection := func(lines map[string]string) string {
		u, err := url.Parse(lines["verification_uri_complete"])
		testkit.Must(t, err)
		if u.Host == "auth.fal.ai" {
			return ""
		}
		if u.Host != "fal.ai" || u.Path != "/api/auth/cli/session-seed" {
			t.Errorf("the address is %s", u)
		}
		return u.Query().Get("connection")
	}

	if lines, _ := login(); connection(lines) != "" || last() != "" {
		t.Errorf("nobody has named a way to sign in: %q, %q", lines, last())
	}
	provider.SetConfig(func(c *idp.Config) { c.AutoApprove, c.AutoDeny = false, true })
	if lines, errs := login("--connection", "github"); connection(lines) != "github" || last() != "" || !strings.Contains(errs, "cancelled") {
		t.Errorf("a login that was cancelled: %q, %q, %s", lines, last(), errs)
	}
	provider.SetConfig(func(c *idp.Config) { c.AutoApprove, c.AutoDeny = true, false })
	if lines, errs := login("--connection", " github "); connection(lines) != "github" || last() != "github" || strings.Contains(errs, "as the last time") {
		t.Errorf("with a way to sign in: %q, %q, %s", lines, last(), errs)
	}
	if lines, errs := login(); connection(lines) != "github" || last() != "github" || !strings.Contains(errs, "falcred: signing in with github, as the last time (another way: --connection)\n") {
		t.Errorf("the next: %q, %q, %s", lines, last(), errs)
	}
	testkit.Must(t, os.WriteFile(filepath.Join(home, "last_auth_connection"), []byte("corp.example.com\n"), 0o644)) // the fal CLI
	if lines, _ := login(); connection(lines) != "corp.example.com" {
		t.Errorf("after the fal CLI: %q", lines)
	}
	lines, _ := login("--switch-account")
	if want := "https://auth.fal.ai/v2/logout?client_id=" + issuer.FalClientID + "&returnTo=https%3A%2F%2Ffal.ai"; lines["logout_uri"] != want || connection(lines) != "" {
		t.Errorf("another account: %q", lines)
	}
}
