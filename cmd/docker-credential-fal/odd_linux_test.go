//go:build system && linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// prepare prepares one of the two, by a line.
func (s *stage) prepare(line string) *exec.Cmd {
	words := strings.Fields(line)
	cmd := exec.Command(filepath.Join(s.bin, words[0]), words[1:]...)
	cmd.Env, cmd.Dir = s.Env(), "/"
	return cmd
}

// outcomeOf runs it for a minute at most.
func outcomeOf(t *testing.T, cmd *exec.Cmd) (out string, code int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})()
	begun := time.Now()
	text, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Errorf("%q: %v", cmd.Args, err)
	}
	return string(text), cmd.ProcessState.ExitCode(), time.Since(begun)
}

// bound is what every command has to end within, on a slow machine. (Where one waits for a
// file system that hangs, the kernel holds the end of others until that one has ended.)
const bound = 30 * time.Second

// §4: a daemon that is stopped ends every command soon, and is named, with what lets it go on.
// On a terminal somebody is told before that what is waited for.
func TestAStoppedDaemonEndsEveryCommand_Section4(t *testing.T) {
	s := newStage(t, idp.Config{AutoApprove: true, Interval: time.Second})
	refresh, _ := s.SignIn("ann") // nothing is due: it is not to be stopped while it has the lock
	s.daemon(s.Sock)
	status, err := s.status(s.Sock)
	s.Must(err)
	s.Eventually("what the start writes down is there, and the lock is free", func() bool {
		if _, err := os.Stat(filepath.Join(s.Home, "falcred.json")); err != nil {
			return false
		}
		lock, err := os.OpenFile(filepath.Join(s.Home, ".portalock"), os.O_RDWR, 0)
		if err != nil {
			return false
		}
		defer lock.Close()
		return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
	s.Must(syscall.Kill(status.PID, syscall.SIGSTOP))
	defer syscall.Kill(status.PID, syscall.SIGCONT)
	s.expired(refresh, false) // else team and login find a token in the file
	var all sync.WaitGroup
	for line, want := range map[string]int{
		"docker-credential-fal token": 75, "docker-credential-fal header": 75, "docker-credential-fal list": 1,
		"falcred status": 2, "falcred status --json": 2, "falcred logout": 1, "falcred logout --local": 1, "falcred team list": 1, "falcred doctor": 2,
	} {
		all.Go(func() {
			cmd := s.prepare(line)
			if line == "falcred team list" {
				cmd.Env = append(cmd.Env, "FAL_REST_HOST=127.0.0.1:1")
			}
			out, code, took := outcomeOf(t, cmd)
			named := strings.Contains(out, fmt.Sprintf("pid %d", status.PID)) && strings.Contains(out, fmt.Sprintf("kill -CONT %d", status.PID))
			if line == "falcred team list" {
				named = true // of another issuer than fal's there may be no teams
			}
			if code != want || took > bound || !named {
				t.Errorf("%s: exit %d after %s: %s", line, code, took, out)
			}
		})
	}
	all.Go(func() { // it is told, and the login is kept
		out, code, took := outcomeOf(t, s.prepare("falcred login --no-browser"))
		if code != 0 || took > bound || !strings.Contains(out, "does not use the login yet") {
			t.Errorf("login: exit %d after %s: %s", code, took, out)
		}
	})
	for _, line := range []string{"docker-credential-fal token", "falcred status", "falcred logout"} {
		master, slave := terminal(t)
		cmd := s.prepare(line)
		cmd.Stderr = slave
		s.Must(cmd.Start())
		slave.Close()
		shown := make(chan string)
		go func() {
			buf, text := make([]byte, 1024), ""
			for !strings.Contains(text, "at most") {
				n, err := master.Read(buf)
				if text += string(buf[:n]); err != nil {
					break
				}
			}
			shown <- text
		}()
		all.Go(func() {
			if text := <-shown; !strings.Contains(text, "s at most") {
				t.Errorf("%s on a terminal: %q", line, text)
			}
			cmd.Wait()
		})
	}
	all.Wait()
	s.Must(syscall.Kill(status.PID, syscall.SIGCONT))
	s.Eventually("it answers", func() bool { _, err := s.status(s.Sock); return err == nil })
}

// §3: a file system that hangs holds no command for ever, and one that is dead none at all.
func TestAHomeThatHangsEndsEveryCommand_Section3(t *testing.T) {
	s := newStage(t, idp.Config{})
	s.MoveTo(filepath.Join(s.Base, "home"))
	s.Must(os.Mkdir(s.Home, 0o700))
	s.Sock = filepath.Join(s.Base, "s") // else the first connection tells
	server := testkit.HangingFolder(t, s.Home)
	for _, state := range []string{"hangs", "is dead"} {
		var all sync.WaitGroup
		for _, line := range []string{"docker-credential-fal token", "docker-credential-fal list", "falcred status", "falcred logout", "falcred team unset", "falcred history", "falcred login", "falcred doctor"} {
			all.Go(func() {
				if out, code, took := outcomeOf(t, s.prepare(line)); code == 0 || took > bound || out == "" {
					t.Errorf("it %s, %s: exit %d after %s: %s", state, line, code, took, out)
				}
			})
		}
		all.Wait()
		server.Close()
	}
}

// asUser is a stage whose folder is another user's, and how he runs programs.
func asUser(t *testing.T, cfg idp.Config, uid uint32) (*stage, *syscall.SysProcAttr) {
	t.Helper()
	testkit.NeedRoot(t)
	s := newStage(t, cfg)
	s.Must(os.Chown(s.Base, int(uid), int(uid)))
	s.Must(os.Chmod(s.bin, 0o755))
	return s, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
}

// §3: a container's user, whom passwd(5) does not know and who has no HOME: FAL_HOME_DIR is
// enough for all of it.
func TestAUserWithoutAHome_Section3(t *testing.T) {
	const unknown = 54321
	for _, variables := range [][]string{nil, {"HOME="}, {"HOME=here"}} {
		s, as := asUser(t, idp.Config{AutoApprove: true, Interval: time.Second}, unknown)
		run := func(line string) (string, int) {
			cmd := s.prepare(line)
			cmd.Env = append([]string{"PATH=" + s.bin + ":/usr/bin:/bin", "FAL_HOME_DIR=" + s.Home, "FALCRED_ISSUER=" + s.Issuer, "FALCRED_CLIENT_ID=test-client"}, variables...)
			cmd.SysProcAttr = as
			out, code, _ := outcomeOf(t, cmd)
			return out, code
		}
		for _, line := range []string{"falcred login --no-browser", "docker-credential-fal token", "falcred status", "falcred history", "falcred logout"} {
			if out, code := run(line); code != 0 {
				t.Errorf("%q, %s: exit %d: %s", variables, line, code, out)
			}
		}
		if out, code := run("falcred doctor"); code != 1 || strings.Contains(out, "FAIL") || !strings.Contains(out, "answers on "+s.Sock) {
			t.Errorf("%q, doctor: exit %d: %s", variables, code, out)
		}
		if status, err := s.status(s.Sock); err == nil {
			syscall.Kill(status.PID, syscall.SIGTERM)
			s.Eventually("the daemon is gone", func() bool { return testkit.Gone(s.Sock) })
		}
	}
}

// S3: where we are nobody, in a user namespace without a map, nothing is started that would
// keep its owner out, and nothing is left.
func TestNobodyInANamespaceStartsNothing_S3(t *testing.T) {
	unshare := testkit.NeedTool(t, "unshare")
	s, as := asUser(t, idp.Config{AutoApprove: true, Interval: time.Second}, otherUser)
	s.SignIn("ann")
	s.Must(os.Chown(s.File, otherUser, otherUser))
	for _, line := range []string{"docker-credential-fal token", "docker-credential-fal list", "falcred run", "falcred login --no-browser", "falcred logout", "falcred logout --local", "falcred doctor"} {
		cmd := s.prepare(line)
		cmd.Args = append([]string{unshare, "-U", cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.SysProcAttr = unshare, as
		if out, code, _ := outcomeOf(t, cmd); code == 0 || !strings.Contains(out, "user namespace") {
			t.Errorf("%s: exit %d: %s", line, code, out)
		}
	}
	entries, err := os.ReadDir(s.Home)
	s.Must(err)
	for _, entry := range entries {
		if entry.Name() != filepath.Base(s.File) {
			t.Errorf("left behind: %s", entry.Name())
		}
	}
	cmd := s.prepare("docker-credential-fal token")
	cmd.Env, cmd.SysProcAttr = append(cmd.Env, "PATH="+s.bin), as
	if out, code, _ := outcomeOf(t, cmd); code != 0 || strings.TrimSpace(out) != s.access() {
		t.Errorf("its owner: exit %d: %s", code, out)
	}
	if status, err := s.status(s.Sock); err == nil {
		syscall.Kill(status.PID, syscall.SIGTERM)
		s.Eventually("the daemon is gone", func() bool { return testkit.Gone(s.Sock) })
	}
}
