//go:build unix

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// RFC 8628 §3.5, R8: a gateway's 502, to a login that has been confirmed already, ends
// nothing. What happens is said on standard error, and scripts read what they always do.
func TestLoginBehindAGateway_R8(t *testing.T) {
	t.Parallel()
	var provider *idp.Provider
	var polls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" && polls.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		provider.ServeHTTP(w, r)
	}))
	defer server.Close()
	provider, err := idp.New(server.URL, idp.Config{ClientID: testClient, Interval: time.Second, AutoApprove: true})
	testkit.Must(t, err)
	self, err := os.Executable()
	testkit.Must(t, err)
	home := filepath.Join(t.TempDir(), "home")
	cmd := exec.Command(self)
	cmd.Args = []string{"falcred", "login", "--no-browser"}
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "FAL_HOME_DIR=" + home,
		"FALCRED_SOCKET=" + filepath.Join(testkit.ShortDir(t), "none"), "FALCRED_ISSUER=" + server.URL, "FALCRED_CLIENT_ID=" + testClient,
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	want := "falcred: the issuer, or a gateway before it, answers with status 502, no content type; trying again until the code runs out\n"
	if errs.String() != want || !strings.Contains(out.String(), "\nlogged in, demo") {
		t.Errorf("it says %q and %q", &errs, &out)
	}
	if refresh, _ := readTokens(filepath.Join(home, env.TokenFile)); !provider.Alive(refresh) {
		t.Error("the login in the file is not alive")
	}
}
