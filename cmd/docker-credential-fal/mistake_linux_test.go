package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// activate starts falcred as systemd does, with a socket that stays systemd's.
func (s *stage) activate(held *os.File) *exec.Cmd {
	s.Helper()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" run`, filepath.Join(s.bin, "falcred"))
	cmd.Env, cmd.ExtraFiles = s.env(s.Sock), []*os.File{held}
	return s.Start(cmd)
}

// S11: on a socket of systemd's, a mistake of configuration is told to whoever asks, at once
// and with what to do; the daemon ends with 78, by which systemd does not start it again.
func TestS11MistakesAreTold(t *testing.T) {
	s := newStage(t, idp.Config{})
	refresh, _ := s.SignIn("ann")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Sock, Net: "unix"})
	s.Must(err)
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	held, err := listener.File()
	s.Must(err)
	defer held.Close()
	envFile := filepath.Join(s.Home, "falcred.env")
	for name, c := range map[string]struct {
		more  []string
		spoil func()
		want  string // on the helper's standard error, and falcred's
		hint  string
	}{
		"a variable": {[]string{"FALCRED_ISSUER=http://issuer.example.com"}, func() {}, "FALCRED_ISSUER must be https, or http on loopback", ""},
		"another issuer": {nil, func() {
			s.Must(os.WriteFile(filepath.Join(s.Home, "falcred.json"), []byte(`{"Issuer":"https://first.example/"}`), 0o600))
		}, "this home holds logins of https://first.example/", "give each issuer its own home"},
		"falcred.env":      {nil, func() { s.Must(os.WriteFile(envFile, nil, 0o666)); s.Must(os.Chmod(envFile, 0o666)) }, envFile + " can be written by others", "chmod go-w " + envFile},
		"a line of that":   {nil, func() { s.Must(os.WriteFile(envFile, []byte("FALCRED_SERVERS=http://gateway.example.com\n"), 0o600)) }, "FALCRED_SERVERS: plain http is allowed for loopback only", "use https"},
		"who can write it": {nil, func() { s.Must(os.Chmod(s.Home, 0o777)) }, s.Home + " can be written by others", "chmod go-w " + s.Home},
		"a key in falcred.env": {nil, func() { s.Must(os.WriteFile(envFile, []byte("FAL_KEY=id:secret\x01\n"), 0o600)) },
			"FAL_KEY in " + envFile + " contains a line break or another control byte", "set it again, with printable characters only"},
		"a key in the environment": {[]string{"FAL_KEY_ID=a", "FAL_KEY_SECRET=secret\n"}, func() {},
			"FAL_KEY_SECRET in the environment contains a line break or another control byte", "set it again, with printable characters only"},
	} {
		t.Run(name, func(t *testing.T) {
			more := s.More
			defer func() { s.More = more }()
			s.More = append(s.More[:len(s.More):len(s.More)], c.more...)
			c.spoil()
			daemon := s.activate(held)
			s.More = more
			for _, verb := range []string{"token", "get"} {
				got := s.run(s.Sock, protocol.DefaultServer, nil, verb)
				if exit, ok := got.err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
					t.Errorf("%s ends with %v, want 1", verb, got.err)
				}
				if !strings.Contains(got.stdout+got.stderr, "falcred cannot start: "+c.want) || !strings.Contains(got.stderr, c.hint) {
					t.Errorf("%s says %s%s, want %q, %q", verb, got.stdout, got.stderr, c.want, c.hint)
				}
				if strings.Contains(got.stdout+got.stderr+s.Logged.String(), "secret") {
					t.Error("a key is shown")
				}
			}
			for _, request := range []string{"status", "version", "list", "erase https://fal.run"} {
				if err := s.Ask(request, nil); protocol.AsError(err) == nil || protocol.AsError(err).Code != protocol.CodeInternal {
					t.Errorf("%s is answered %v", request, err)
				}
			}
			daemon.Process.Signal(syscall.SIGTERM) // which does not wait for the 30 s
			if daemon.Wait(); daemon.ProcessState.ExitCode() != 78 {
				t.Errorf("it ends with %v, want 78", daemon.ProcessState)
			}
			testkit.WantText(t, s.Logged.String(), c.want)
			os.Remove(envFile)
			os.Remove(filepath.Join(s.Home, "falcred.json"))
			s.Must(os.Chmod(s.Home, 0o700))
		})
	}
	if now, _ := s.tokens(); now != refresh || s.IDP.Stats().TokenRequests != 0 {
		t.Error("something was done with the login")
	}
	// Once it is corrected, the same socket serves.
	daemon := s.activate(held)
	if _, err := s.get(s.Sock); err != nil {
		t.Error(err)
	}
	daemon.Process.Signal(syscall.SIGTERM)
	if err := daemon.Wait(); err != nil {
		t.Error(err)
	}
}

// S11: without a socket to tell it on, it ends at once, with 78 too. What passes by itself is
// no mistake of configuration.
func TestS11WithoutASocket(t *testing.T) {
	s := newStage(t, idp.Config{})
	for want, more := range map[int]string{78: "FALCRED_ISSUER=ftp://x", 1: "FAL_HOME_DIR=/dev/null/away"} {
		cmd := exec.Command(filepath.Join(s.bin, "falcred"), "run")
		cmd.Env = append(s.env(s.Sock), more)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: it ends with %d, want %d: %s", more, got, want, out)
		}
	}
	// One that a helper starts is not worth a second try either.
	s.SignIn("ann")
	s.More = append(s.More, "FALCRED_ISSUER=ftp://x")
	got := s.run(s.Sock, "", nil, "token")
	if exit, ok := got.err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(got.stderr, "its configuration has to be corrected first\nsee what: falcred run") {
		t.Errorf("token ends with %v: %s", got.err, got.stderr)
	}
}
