//go:build unix && system

package main_test

import (
	"bufio"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// served is a stage whose daemon has a living token.
func served(t *testing.T, cfg idp.Config) *stage {
	t.Helper()
	s := newStage(t, cfg)
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	s.daemon(s.Sock)
	s.settled([]string{s.Sock})
	return s
}

const threeRequests = "version\nget https://fal.run\nget https://example.com\n"

// wantThreeAnswers: one line each, in order.
func (s *stage) wantThreeAnswers(lines []string) {
	s.Helper()
	if len(lines) != 3 {
		s.Fatalf("%d lines for 3 requests", len(lines))
	}
	var version protocol.VersionAnswer
	if err := protocol.ParseAnswer(lines[0], &version); err != nil || version.Protocol != protocol.Version {
		s.Errorf("version: %v, %v", version, err)
	}
	var c protocol.Credential
	if err := protocol.ParseAnswer(lines[1], &c); err != nil {
		s.Error("get: ", err)
	}
	if _, access := s.tokens(); string(c.Secret) != access || c.Username != "Bearer" {
		s.Error("get: not the file's token")
	}
	if err := protocol.ParseAnswer(lines[2], nil); protocol.AsError(err) == nil || protocol.AsError(err).Code != protocol.CodeNotFound {
		s.Errorf("another host: %v", err)
	}
}

// §4: programs that know nothing of falcred speak to the socket.
func TestPlainToolsSpeakToTheSocket_Section4(t *testing.T) {
	for _, tool := range [][]string{
		{"nc", "-N", "-U", "SOCKET"},                  // -N: hang up at the end of the input
		{"socat", "-t40", "-", "UNIX-CONNECT:SOCKET"}, // -t: else it waits half a second for answers
		{"socat", "-t40", "STDIO", "UNIX-CLIENT:SOCKET"},
	} {
		t.Run(strings.Join(tool, " "), func(t *testing.T) {
			path := testkit.NeedTool(t, tool[0])
			s := served(t, idp.Config{})
			var args []string
			for _, arg := range tool[1:] {
				args = append(args, strings.Replace(arg, "SOCKET", s.Sock, 1))
			}
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, args...)
			cmd.Stdin = strings.NewReader(threeRequests)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			s.wantThreeAnswers(strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
		})
	}
}

// Plain `nc -U`, as the documentation has it, does not hang up at the end of
// its input: the answers come all the same, and the connection may stay.
func TestPlainNetcatIsAnswered_Section4(t *testing.T) {
	path := testkit.NeedTool(t, "nc")
	s := served(t, idp.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-U", s.Sock)
	cmd.Stdin = strings.NewReader(threeRequests)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for in := bufio.NewScanner(out); len(lines) < 3 && in.Scan(); {
		lines = append(lines, in.Text())
	}
	cmd.Process.Kill()
	cmd.Wait()
	s.wantThreeAnswers(lines)
}
