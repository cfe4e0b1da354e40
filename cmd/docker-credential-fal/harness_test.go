//go:build unix

// Package main_test runs the programs themselves: docker-credential-fal and
// falcred, built once, against an issuer in the test process.
package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// bin holds the two programs.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("/tmp", "fb"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", bin+"/", "../falcred", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "go build:", err)
		return 1
	}
	// A developer's own key would be every test's credential.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") {
			os.Unsetenv(name)
		}
	}
	return m.Run()
}

// stage is a home with a login, and its issuer.
type stage struct {
	*testing.T
	idp    *idp.Server // nil where the issuer is another program
	issuer string      // its URL
	home   string
	bin    string   // whose programs are run
	more   []string // further variables of its programs
}

func newStage(t *testing.T, cfg idp.Config) *stage {
	t.Helper()
	server, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s := &stage{T: t, idp: server, issuer: server.URL, bin: bin}
	s.moveHome()
	return s
}

// moveHome goes on with a new home, which holds no login. Its name is short: a
// socket's path must be.
func (s *stage) moveHome() {
	s.Helper()
	dir, err := os.MkdirTemp("/tmp", "fp")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	s.home = dir
}

func (s *stage) socket() string { return filepath.Join(s.home, "falcred.sock") }

// env is all that a program of the stage knows.
func (s *stage) env(socket string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.home,
		"FAL_HOME_DIR=" + s.home,
		"FALCRED_SOCKET=" + socket,
		"FALCRED_ISSUER=" + s.issuer,
		"FALCRED_CLIENT_ID=test-client",
	}, s.more...)
}

// tokens reads the file as the SDK does.
func (s *stage) tokens() (refresh, access string) {
	data, err := os.ReadFile(filepath.Join(s.home, env.TokenFile))
	if err != nil {
		s.Fatal(err)
	}
	refresh, access, _ = strings.Cut(string(data), "\n")
	return refresh, access
}

// expired writes a login whose access token ran out a moment ago: by a rename,
// or in place as the SDK does. One that is older than what the daemon holds would be
// taken for an old copy (F5).
func (s *stage) expired(refresh string, inPlace bool) {
	s.Helper()
	path := filepath.Join(s.home, env.TokenFile)
	access := s.idp.Mint("ann", time.Now().Add(-time.Minute), 30*time.Second)
	name := path
	if !inPlace {
		name += ".new"
	}
	if err := os.WriteFile(name, []byte(refresh+"\n"+access), 0o600); err != nil {
		s.Fatal(err)
	}
	if !inPlace {
		if err := os.Rename(name, path); err != nil {
			s.Fatal(err)
		}
	}
}

// daemon runs falcred until the test ends, and waits until it answers.
func (s *stage) daemon(socket string) {
	s.Helper()
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(s.bin, "falcred"), "run")
	cmd.Env, cmd.Stderr = s.env(socket), &log
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || s.Failed() {
			s.Logf("the daemon on %s: %v\n%s", socket, err, log.String())
		}
	})
	s.listens(socket)
}

// listens waits until a socket takes connections: its path is there before.
func (s *stage) listens(socket string) {
	s.Helper()
	s.until("somebody listens on "+socket, func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// patience covers R7's 17 s and a pause after them, so that running into it
// means: never.
const patience = 40 * time.Second

// until polls: what is waited for happens in another process.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	if !within(patience, ok) {
		s.Fatal("it never came that ", what)
	}
}

func within(d time.Duration, ok func() bool) bool {
	deadline := time.After(d)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// result is what one run of docker-credential-fal came to.
type result struct {
	stdout string
	stderr string
	err    error
}

// run runs docker-credential-fal to its end, and to the end of its output:
// whoever else holds that open shows as exec.ErrWaitDelay.
func (s *stage) run(socket, stdin string, change func(*exec.Cmd), args ...string) result {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "docker-credential-fal"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.WaitDelay = s.env(socket), 5*time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if change != nil {
		change(cmd)
	}
	err := cmd.Run()
	return result{stdout.String(), stderr.String(), err}
}

// credential is what a get printed, if it is a living token.
func (r result) credential() (protocol.Credential, error) {
	var c protocol.Credential
	if r.err != nil {
		return c, fmt.Errorf("%w\nstdout: %sstderr: %s", r.err, r.stdout, r.stderr)
	}
	if err := protocol.ParseAnswer(strings.TrimSuffix(r.stdout, "\n"), &c); err != nil {
		return c, err
	}
	if c.Username != "Bearer" || !c.Expires.After(time.Now()) {
		return c, errors.New("no living token: " + c.Username + ", expires " + c.Expires.String())
	}
	return c, nil
}

// get and status ask a daemon from this process: no other is started for it.
func (s *stage) get(socket string) (protocol.Credential, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	c := &helper.Client{Socket: socket}
	defer c.Close()
	return c.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
}

func (s *stage) status(socket string) (protocol.Status, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	c := &helper.Client{Socket: socket}
	defer c.Close()
	return c.Status(ctx)
}
