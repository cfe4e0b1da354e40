//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// alike makes two runs look the same.
var alike = []struct {
	find *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "https://issuer.example"},
	{regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`), "WDJB-MJHT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "2026-08-03T09:15:00Z"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d \([^)]*\)`), "2026-08-03 09:00 (…)"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "2026-08-03"},
	{regexp.MustCompile(`(?m)^\w+, \d+ \w+ \d{4}$`), "Monday, 3 August 2026"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d \d\d:\d\d\b`), "2026-08-03 09:00"},
	{regexp.MustCompile(`(?m)^  \d\d:\d\d:\d\d  `), "  09:00:00  "},
	{regexp.MustCompile(`\beyJ[\w.-]+`), "eyJhbGciOiJSUzI1NiIs..."},
	{regexp.MustCompile(`pid \d+`), "pid 4242"},
	{regexp.MustCompile(`version \S+`), "version v1.0.0"},
	{regexp.MustCompile(`\d+ requests?; \d+ connections? open`), "7 requests; 1 connection open"},
}

var daemonsNote = regexp.MustCompile(`(?m)^  \d\d:\d\d:\d\d  a login appeared: auth0\|demo\n`)

// The screens in README.md are what the commands print.
func TestScreens(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	theatre := newTheatre(t)
	now := regexp.MustCompile("(?s)```text\n\\$ ([^\n]*)\n.*?```").ReplaceAllFunc(page, func(block []byte) []byte {
		line, _, _ := strings.Cut(strings.TrimPrefix(string(block), "```text\n$ "), "\n")
		return []byte("```text\n$ " + line + "\n" + theatre.play(line) + "```")
	})
	switch {
	case os.Getenv("UPDATE_SCREENS") != "":
		if err := os.WriteFile("README.md", now, 0o644); err != nil {
			t.Fatal(err)
		}
	case !bytes.Equal(now, page):
		t.Errorf("README.md is stale (UPDATE_SCREENS=1 takes it anew); now it would be\n%s", now)
	}
}

// theatre has an issuer, a home and a daemon.
type theatre struct {
	*testing.T
	home, self string
	env        []string
}

func newTheatre(t *testing.T) *theatre {
	issuer := testkit.StartIssuer(t, idp.Config{ClientID: testClient, Interval: time.Second, AutoApprove: true,
		Teams: []idp.Team{{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"}}})
	parent := testkit.ShortDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(parent, ".fal")
	nameREST(t, home, issuer.URL)
	th := &theatre{T: t, home: home, self: self, env: []string{
		"PATH=" + parent, "HOME=" + parent + "/ada", "FAL_HOME_DIR=" + home, "TZ=UTC", "FALCRED_ISSUER=" + issuer.URL, "FALCRED_CLIENT_ID=" + testClient,
	}}
	cmd := th.command([]string{"run", "--log-level", "error"})
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	th.state(protocol.StateLoggedOut)
	return th
}

func (th *theatre) command(args []string, env ...string) *exec.Cmd {
	cmd := exec.Command(th.self)
	cmd.Args = append([]string{"falcred"}, args...)
	cmd.Env = append(append([]string{}, th.env...), env...)
	return cmd
}

// state waits until the daemon has noticed what a command did.
func (th *theatre) state(want string) {
	th.Helper()
	client := &helper.Client{Socket: filepath.Join(th.home, "falcred.sock")}
	defer client.Close()
	err := until("state "+want, func() bool {
		s, err := client.Status(context.Background())
		return err == nil && s.State == want
	})
	if err != nil {
		th.Fatal(err)
	}
}

// play runs one line of a screen.
func (th *theatre) play(line string) string {
	th.Helper()
	var env []string
	words := strings.Fields(line)
	if strings.Contains(words[0], "=") {
		env, words = []string{strings.Replace(words[0], "FAL_KEY=...", "FAL_KEY=id:secret", 1)}, words[1:]
	}
	out, err := th.command(words[1:], env...).CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		th.Fatal(err)
	}
	switch line {
	case "falcred login":
		th.state(protocol.StateLoggedIn)
	case "falcred logout":
		th.state(protocol.StateLoggedOut)
	}
	text := strings.ReplaceAll(string(out), th.home, "/home/ada/.fal")
	text = strings.ReplaceAll(text, filepath.Dir(th.home), "/home/ada")
	// The daemon notes the login too, sooner or later than falcred login does.
	text = daemonsNote.ReplaceAllString(text, "")
	for _, s := range alike {
		text = s.find.ReplaceAllString(text, s.as)
	}
	return text
}
