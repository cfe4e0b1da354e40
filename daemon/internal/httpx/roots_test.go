//go:build linux

package httpx

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// R7: CA files that are replaced under a process count at once, and a request with a body is
// sent once, whatever that takes. What is trusted is never less than what the files say.
func TestR7RootsAreReadAnew(t *testing.T) {
	here, later := net.IPv4(127, 0, 0, 1), time.Now().Add(time.Hour)
	first, second, third := testkit.NewCertificate(t, here, later), testkit.NewCertificate(t, here, later), testkit.NewCertificate(t, here, later)
	var shown atomic.Pointer[tls.Certificate]
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if body, err := io.ReadAll(r.Body); string(body) != "a body" || r.ProtoMajor != 1 {
			t.Errorf("%s has the body %q: %v", r.Proto, body, err)
		}
	}))
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*shown.Load()}}, nil
	}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	folder := t.TempDir()
	file := filepath.Join(folder, "ca.pem")
	write := func(path string, certs ...*tls.Certificate) {
		t.Helper()
		var data []byte
		for _, c := range certs {
			data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
		}
		testkit.Must(t, os.WriteFile(path, data, 0o600))
	}
	write(file, first)
	more := filepath.Join(folder, "more")
	testkit.Must(t, os.Mkdir(more, 0o700))
	cmd := testkit.Role("asking", "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+more)
	in, err := cmd.StdinPipe()
	testkit.Must(t, err)
	out, err := cmd.StdoutPipe()
	testkit.Must(t, err)
	testkit.Start(t, cmd)
	answers := bufio.NewScanner(out)
	const unknown = "its certificate is signed by an unknown authority"
	for _, step := range []struct {
		what   string
		shown  *tls.Certificate
		change func()
		want   string
	}{
		{"as it was", first, func() {}, "200"},
		{"a renewed certificate, and the old CA file", second, func() {}, unknown},
		{"the same, tried again", second, func() {}, unknown},
		{"the renewed CA file", second, func() { write(file, second) }, "200"},
		{"a CA file in the making", second, func() { write(file) }, "200"},
		{"one that is gone, and another certificate", third, func() { os.Remove(file) }, unknown},
		{"a CA in the folder", third, func() { write(filepath.Join(more, "company.pem"), third) }, "200"},
	} {
		shown.Store(step.shown)
		step.change()
		before := requests.Load()
		fmt.Fprintln(in, server.URL)
		if !answers.Scan() || answers.Text() != step.want {
			t.Errorf("%s: %q, want %q", step.what, answers.Text(), step.want)
		}
		if n := requests.Load() - before; (n == 1) != (step.want == "200") || n > 1 {
			t.Errorf("%s: %d requests", step.what, n)
		}
	}
	in.Close()
}

// What crypto/x509 passes over without a word, doctor names.
func TestBadRoots(t *testing.T) {
	folder := t.TempDir()
	gone, junk := filepath.Join(folder, "gone.pem"), filepath.Join(folder, "junk.pem")
	testkit.Must(t, os.WriteFile(junk, []byte("no PEM"), 0o600))
	for setting, want := range map[string]string{
		"":                                    "",
		"SSL_CERT_FILE=" + gone:               "SSL_CERT_FILE cannot be read: open " + gone + ": no such file or directory",
		"SSL_CERT_FILE=" + junk:               "SSL_CERT_FILE holds no certificate (PEM): " + junk,
		"SSL_CERT_FILE=" + folder:             "SSL_CERT_FILE cannot be read: " + folder + " is not a regular file",
		"SSL_CERT_DIR=" + folder:              "",
		"SSL_CERT_DIR=" + folder + ":" + gone: "SSL_CERT_DIR cannot be read: open " + gone + ": no such file or directory",
	} {
		t.Setenv("SSL_CERT_FILE", "")
		t.Setenv("SSL_CERT_DIR", "")
		if name, value, ok := strings.Cut(setting, "="); ok {
			t.Setenv(name, value)
		}
		if got := BadRoots(); got != want {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
}
