// Package main_test runs the programs themselves: docker-credential-fal and
// falcred, built once, against an issuer in the test process.
package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// bin holds the two programs.
var bin string

func TestMain(m *testing.M) {
	testkit.Isolate()
	code := testkit.Programs(m, func(folder string) error {
		bin = folder
		return testkit.Build("", bin+"/", "../falcred", ".")
	})
	table.Print(os.Stdout)
	os.Exit(code)
}

// table is what upgrades came to.
var table = testkit.Table{Columns: [3]string{"what asks, or is broken", "tried", "what came of it"}}

// stage is a home with a login, and its issuer.
type stage struct {
	*testkit.House
	bin string // whose programs are run
}

func newStage(t *testing.T, cfg idp.Config) *stage {
	t.Helper()
	server := testkit.StartIssuer(t, cfg)
	s := &stage{testkit.NewHouseOf(t, server.URL), bin}
	s.IDP = server
	return s
}

// env is what a program knows that is to use another socket.
func (s *stage) env(socket string) []string { return s.At(socket).Env() }

// tokens are those in the file, which must be there.
func (s *stage) tokens() (refresh, access string) {
	s.Helper()
	refresh, access, err := s.Tokens()
	s.Must(err)
	return refresh, access
}

// expired writes a login whose access token ran out a moment ago: by a rename,
// or in place as the SDK does. One that is older than what the daemon holds would be
// taken for an old copy (F5).
func (s *stage) expired(refresh string, inPlace bool) {
	s.Helper()
	login := refresh + "\n" + s.IDP.Mint("ann", time.Now().Add(-time.Minute), 30*time.Second)
	if inPlace {
		s.WriteFile(login)
	} else {
		s.Rename(login)
	}
}

// daemon runs falcred until the test ends, and waits until it answers.
func (s *stage) daemon(socket string) {
	s.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "falcred"+testkit.Exe), "run")
	cmd.Env = s.env(socket)
	s.Start(cmd)
	s.Cleanup(func() {
		if cmd.Process.Signal(syscall.SIGTERM) != nil { // there is none on Windows
			_, err := (&helper.Client{Socket: socket}).End(context.Background())
			s.Must(err)
		}
		if err := cmd.Wait(); err != nil {
			s.Logf("the daemon on %s: %v", socket, err)
		}
	})
	s.listens(socket)
}

// listens waits until a socket takes connections: its path is there before.
func (s *stage) listens(socket string) {
	s.Helper()
	s.Eventually("somebody listens on "+socket, func() bool { return testkit.Listens(socket) })
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
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "docker-credential-fal"+testkit.Exe), args...)
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
	ctx, cancel := context.WithTimeout(s.Context(), testkit.Patience)
	defer cancel()
	c := &helper.Client{Socket: socket}
	defer c.Close()
	return c.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
}

func (s *stage) status(socket string) (protocol.Status, error) {
	ctx, cancel := context.WithTimeout(s.Context(), testkit.Patience)
	defer cancel()
	c := &helper.Client{Socket: socket}
	defer c.Close()
	return c.Status(ctx)
}
