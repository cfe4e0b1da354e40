package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// program is docker's way to the helper.
func (s *stage) program() client.ProgramFunc {
	env := map[string]string{}
	for _, entry := range s.Env() {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return client.NewShellProgramFuncWithEnv(filepath.Join(s.bin, "docker-credential-fal"+testkit.Exe), &env)
}

// §4: docker's own client package drives the helper through all of its
// actions, and understands its errors.
func TestDockersClient_Section4(t *testing.T) {
	s := newStage(t, idp.Config{})
	s.daemon(s.Sock)
	docker := s.program()
	wantNothing := func(when string) {
		t.Helper()
		if _, err := client.Get(docker, protocol.DefaultServer); !credentials.IsErrCredentialsNotFound(err) {
			t.Errorf("get %s: %v, want docker's not-found", when, err)
		}
		if list, err := client.List(docker); err != nil || len(list) != 0 {
			t.Errorf("list %s: %v, %v", when, list, err)
		}
	}
	wantNothing("before a login")

	login, _, _ := s.IDP.Login("ann")
	err := client.Store(docker, &credentials.Credentials{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: login})
	if err != nil {
		t.Fatal("store: ", err)
	}
	refresh, access := s.tokens()
	if refresh == login || !s.IDP.Alive(refresh) {
		t.Error("store did not prove the token by a refresh")
	}
	got, err := client.Get(docker, protocol.DefaultServer)
	if err != nil || got.Username != "Bearer" || got.Secret != access || got.ServerURL != protocol.DefaultServer {
		t.Errorf("get: not the file's token, or %v", err)
	}
	list, err := client.List(docker)
	if err != nil || list[protocol.DefaultServer] != "Bearer" {
		t.Errorf("list: %v, %v", list, err)
	}
	for server := range list {
		if _, err := client.Get(docker, server); err != nil {
			t.Errorf("list promises %s, and get says %v", server, err)
		}
	}

	if err := client.Erase(docker, protocol.DefaultServer); err != nil {
		t.Error("erase: ", err)
	}
	if s.IDP.Alive(refresh) {
		t.Error("erase did not revoke the login")
	}
	wantNothing("after a logout")
}

// What docker must not get, and the error that it must see instead.
func TestDockersClientIsRefused_Section4(t *testing.T) {
	s := newStage(t, idp.Config{})
	s.daemon(s.Sock)
	docker := s.program()
	login, _, _ := s.IDP.Login("ann")
	if err := client.Store(docker, &credentials.Credentials{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: login}); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"https://index.docker.io/v1/", "https://fal.run.example.com", "https://fal.run@example.com", "http://fal.run"} {
		if _, err := client.Get(docker, server); !credentials.IsErrCredentialsNotFound(err) {
			t.Errorf("get %s: %v", server, err)
		}
		if err := client.Erase(docker, server); err == nil {
			t.Errorf("erase %s did something", server)
		}
	}
	missing := credentials.NewErrCredentialsMissingServerURL().Error()
	if _, err := client.Get(docker, ""); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("get without a server: %v", err)
	}
	for _, c := range []credentials.Credentials{
		{ServerURL: protocol.DefaultServer, Username: "Key", Secret: "id:secret"},
		{ServerURL: "https://index.docker.io/v1/", Username: protocol.TokenUsername, Secret: login},
		{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: login}, // spent by now
	} {
		if err := client.Store(docker, &c); err == nil || strings.Contains(err.Error(), c.Secret) {
			t.Errorf("store as %s for %s: %v", c.Username, c.ServerURL, err)
		}
	}
	if got, err := client.Get(docker, protocol.DefaultServer); err != nil || got.Username != "Bearer" {
		t.Errorf("the login did not survive that: %v", err)
	}
	if n := s.IDP.Stats().ReuseDetections; n != 0 {
		t.Errorf("%d reuse detections", n)
	}
}
