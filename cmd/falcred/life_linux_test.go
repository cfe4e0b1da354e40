//go:build system && linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// life is a home, an issuer, and the installed programs, run as somebody or by
// something.
type life struct {
	*testing.T
	issuer  *idp.Server
	bin     string // the folder of the programs
	home    string
	runtime string // XDG_RUNTIME_DIR
	as      *syscall.SysProcAttr
}

func newLife(t *testing.T, goarch string) *life {
	t.Helper()
	issuer := testkit.StartIssuer(t, idp.Config{AutoApprove: true, Interval: time.Second})
	l := &life{T: t, issuer: issuer, bin: testkit.ShortDir(t)}
	if err := os.Chmod(l.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOARCH", goarch)
	testkit.Must(t, testkit.Build("", l.bin, "../falcred", "../docker-credential-fal"))
	l.home = filepath.Join(l.bin, "home")
	if err := os.Mkdir(l.home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kill)
	return l
}

// run gives what a program says on both streams.
func (l *life) run(program string, args ...string) (out string, code int) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, program), args...)
	cmd.Env = []string{"HOME=" + l.bin, "PATH=" + l.bin + ":/usr/bin:/bin", "FAL_HOME_DIR=" + l.home, "XDG_RUNTIME_DIR=" + l.runtime,
		"FALCRED_ISSUER=" + l.issuer.URL, "FALCRED_CLIENT_ID=" + testClient}
	cmd.SysProcAttr, cmd.WaitDelay, cmd.Dir = l.as, time.Second, "/"
	both, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		l.Fatal(err)
	}
	return string(both), cmd.ProcessState.ExitCode()
}

func (l *life) wants(out string, code int, says string) {
	l.Helper()
	if code != 0 || !strings.Contains(out, says) {
		l.Fatalf("exit %d, and not %q: %s", code, says, out)
	}
}

// ask is a client of the bare socket: root's own, whom every daemon serves.
func (l *life) ask(line string) protocol.Credential {
	l.Helper()
	var cred protocol.Credential
	testkit.Must(l.T, testkit.Ask(filepath.Join(l.home, "falcred.sock"), line, &cred))
	return cred
}

// kill is kill -9 of the daemon, if one runs.
func (l *life) kill() {
	data, _ := os.ReadFile(filepath.Join(l.home, "falcred.sock.lock"))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid > 1 {
		if exe, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(exe), l.bin) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// token is what the helper gives, and what the file holds by then.
func (l *life) token() string {
	l.Helper()
	out, code := l.run("docker-credential-fal", "token")
	access := strings.TrimSpace(out)
	file, err := os.ReadFile(filepath.Join(l.home, env.TokenFile))
	if code != 0 || err != nil || !strings.HasSuffix(string(file), "\n"+access) {
		l.Fatalf("exit %d, %v: %s", code, err, out)
	}
	return access
}

// live is one whole life: sign in, ask (which starts the daemon), refresh, kill -9,
// ask again, sign out.
func (l *life) live() {
	out, code := l.run("falcred", "login")
	l.wants(out, code, "logged in, demo")
	first := l.token()
	cred := l.ask(`get {"ServerURL":"https://fal.run","Rejected":"` + first + `"}`)
	if string(cred.Secret) == first {
		l.Fatal("no newer token")
	}
	if second := l.token(); second != string(cred.Secret) {
		l.Error("the helper gives another token than the socket")
	}
	l.kill()
	if third := l.token(); third != string(cred.Secret) {
		l.Error("the daemon that was started anew gives another token")
	}
	out, code = l.run("falcred", "status")
	l.wants(out, code, "logged in")
	out, code = l.run("falcred", "logout")
	l.wants(out, code, "logged out: revoked at ")
	if s := l.issuer.Stats(); s.Refreshes == 0 || s.ReuseDetections != 0 || s.Revocations == 0 {
		l.Errorf("at the issuer: %+v", s)
	}
}

// A machine whose int has 32 bits: built for arm and emulated. Scripts have the
// programs' names, since an emulated program cannot start another one of its kind.
func TestALifeOnARM_S3(t *testing.T) {
	qemu := testkit.NeedTool(t, "qemu-arm")
	l := newLife(t, "arm")
	for _, name := range []string{"falcred", "docker-credential-fal"} {
		path := filepath.Join(l.bin, name)
		if err := os.Rename(path, path+".arm"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexec "+qemu+" "+path+".arm \"$@\"\n"), 0o755); err != nil { // #nosec G306 -- a program
			t.Fatal(err)
		}
	}
	l.live()
}

// S3, S7: the user nobody has the overflow uid's number, and is an owner like any
// other where that number is his alone.
func TestNobodyIsServedHisOwnLogin_S7(t *testing.T) {
	l := newNobody(t)
	l.live()
}

// S7: in a user namespace that has no number for some, nobody can be told from them.
// Nothing starts there, at either end, and the words say why.
func TestNobodyOfManyIsRefused_S7(t *testing.T) {
	l := newNobody(t)
	out, code := l.run("falcred", "login")
	l.wants(out, code, "logged in")
	for name, maps := range map[string][]syscall.SysProcIDMap{
		"none but his own":           {{ContainerID: 65534, HostID: 65534, Size: 1}},
		"as rootless containers map": {{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65533}, {ContainerID: 65534, HostID: 65534, Size: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			in := *l
			in.T = t
			in.as = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: maps, GidMappings: maps,
				GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}}
			before := l.issuer.Stats()
			for _, line := range [][]string{{"docker-credential-fal", "token"}, {"falcred", "run"}, {"falcred", "logout"}, {"falcred", "login"}, {"falcred", "doctor"}} {
				out, code := in.run(line[0], line[1:]...)
				if code == 0 || !strings.Contains(out, "in this user namespace uid 65534 stands for every user who has no number here") || !strings.Contains(out, "run as another user") {
					t.Errorf("%v: exit %d, %s", line, code, out)
				}
			}
			after := l.issuer.Stats()
			// doctor asks for a refresh without a token.
			after.TokenRequests, after.Rejected = before.TokenRequests, before.Rejected
			if after != before {
				t.Errorf("the issuer was asked: %+v, before %+v", after, before)
			}
			if _, err := os.Lstat(filepath.Join(l.home, "falcred.sock")); err == nil {
				t.Error("a daemon was started")
			}
		})
	}
	if out, code := l.run("docker-credential-fal", "token"); code != 0 {
		t.Errorf("and outside of it: exit %d, %s", code, out)
	}
}

func newNobody(t *testing.T) *life {
	t.Helper()
	testkit.NeedRoot(t) // to be another user
	l := newLife(t, "")
	if err := os.Chown(l.home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	l.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return l
}
