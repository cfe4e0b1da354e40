//go:build system

package main_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// craneVersion is built as a module of its own: its dependencies are not ours.
const craneVersion = "github.com/google/go-containerregistry/cmd/crane@v0.20.3"

// registry is Debian's docker-registry behind a door that wants the login's token of
// the moment, as docker's clients present what a helper gives them: as a
// user's password (RFC 7617).
type registry struct {
	*stage
	host    string // as image names begin
	open    string // the same registry, for everybody
	config  string // the folder of docker's own configuration
	entered atomic.Int32
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	program := testkit.NeedTool(t, "docker-registry")
	s := newStage(t, idp.Config{})
	r := &registry{stage: s, config: filepath.Join(s.Home, ".docker"), open: freeAddress(t)}
	data := t.TempDir()
	config := filepath.Join(data, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/images}}\nhttp: {addr: %s}\n", data, r.open)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "serve", config)
	testkit.Start(t, server)
	r.Eventually("the registry listens", func() bool {
		resp, err := http.Get("http://" + r.open + "/v2/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.open})
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, access := r.tokens()
		if user, password, _ := req.BasicAuth(); user != "Bearer" || password != access {
			w.Header().Set("WWW-Authenticate", `Basic realm="fal"`)
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0") // older clients look for it
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.entered.Add(1)
		behind.ServeHTTP(w, req)
	}))
	t.Cleanup(door.Close)
	r.host = strings.TrimPrefix(door.URL, "http://")

	r.More = []string{"FALCRED_SERVERS=" + r.host, "DOCKER_CONFIG=" + r.config, "DOCKER_CLI_EXPERIMENTAL=enabled", "PATH=" + r.bin + ":" + os.Getenv("PATH")}
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	s.daemon(s.Sock)
	s.settled([]string{s.Sock})
	r.configure(fmt.Sprintf(`{"credHelpers":{%q:"fal"}}`, r.host))
	return r
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (r *registry) configure(text string) {
	r.Helper()
	if err := os.MkdirAll(r.config, 0o700); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.config, "config.json"), []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// client runs one of docker's clients.
func (r *registry) client(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdin = r.Env(), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// crane is built once for a user of this computer.
func crane(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "falcred-tests", "crane-0.20.3")
	program := filepath.Join(folder, "crane")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	cmd := exec.Command("go", "install", craneVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=", "CGO_ENABLED=0")
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		testkit.Missing(t, "crane: ", err, "\n", string(out))
	}
	return program
}

// §4: docker, crane and skopeo get a credential for a registry that
// FALCRED_SERVERS names, and go on across a rotation.
func TestRegistryClients_Section4(t *testing.T) {
	crane, skopeo, docker := crane(t), testkit.NeedTool(t, "skopeo"), testkit.NeedTool(t, "docker")
	r := newRegistry(t)
	layer := filepath.Join(t.TempDir(), "layer.tar")
	if out, err := exec.Command("tar", "-cf", layer, "-C", "/etc", "hostname").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	image := r.host + "/cat:1"
	for _, step := range [][]string{
		{crane, "append", "--insecure", "-f", layer, "-t", image},
		{crane, "digest", "--insecure", image},
		{docker, "manifest", "inspect", "--insecure", image},
		{skopeo, "--insecure-policy", "inspect", "--tls-verify=false", "docker://" + image},
	} {
		before := r.entered.Load()
		out, err := r.client("", step[0], step[1:]...)
		if err != nil || r.entered.Load() == before {
			t.Errorf("%q: %v, %d requests let in\n%s", step, err, r.entered.Load()-before, out)
		}
		r.rotate()
	}
	// Another registry is not fal's: not-found, and so asked without a credential.
	r.configure(`{"credsStore":"fal"}`)
	if out, err := r.client("", crane, "digest", "--insecure", r.open+"/cat:1"); err != nil {
		t.Errorf("a registry that wants nobody: %v\n%s", err, out)
	}
	if got := r.run(r.Sock, r.open, nil, "get"); got.err == nil || got.stdout != "credentials not found in native keychain\n" {
		t.Errorf("get for another registry: %+v", got)
	}
}

// A docker login or logout elsewhere never touches the fal login, not even where
// this helper is everybody's.
func TestDockerLoginElsewhere_Section4(t *testing.T) {
	docker := testkit.NeedTool(t, "docker")
	r := newRegistry(t)
	r.configure(`{"credsStore":"fal"}`)
	refresh, access := r.tokens()
	out, err := r.client("hunter2", docker, "login", "--username", "me", "--password-stdin", r.open)
	if err == nil || !strings.Contains(out, "only a login for fal.ai can be stored here") {
		t.Errorf("docker login: %v: %s", err, out)
	}
	for _, registry := range []string{r.open, "registry.example.com"} {
		out, _ := r.client("", docker, "logout", registry)
		t.Logf("docker logout %s: %s", registry, out)
	}
	if now, then := r.tokens(); now != refresh || then != access || !r.IDP.Alive(refresh) {
		t.Error("the fal login was touched")
	}
}
