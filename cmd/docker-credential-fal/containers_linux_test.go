//go:build system

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

const otherUser = 1234 // the recipe's

// shares is a stage with a living token whose socket for others lies in a folder
// that they can enter.
func shares(t *testing.T, more ...string) (s *stage, folder string) {
	t.Helper()
	testkit.NeedRoot(t) // for other users
	s = newStage(t, idp.Config{})
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	folder = filepath.Join(s.Home, "fal-share")
	if err := os.Mkdir(folder, 0o711); err != nil {
		t.Fatal(err)
	}
	s.More = append([]string{"FALCRED_SHARE_SOCKET=" + folder + "/sock"}, more...)
	return s, folder
}

func (s *stage) shared(folder string) {
	s.Helper()
	s.settled([]string{s.Sock})
	s.listens(folder + "/sock")
}

// S7: a container whose user is another one, by the page's recipe, in Debian's
// podman. The image is a folder that holds nothing but the helper.
func TestRecipeContainer(t *testing.T) {
	testkit.NeedTool(t, "podman")
	runtime := testkit.NeedTool(t, "runc")
	s, folder := shares(t, fmt.Sprint("FALCRED_ALLOW_UIDS=", otherUser))
	s.daemon(s.Sock)
	s.shared(folder)
	image := filepath.Join(s.TempDir(), "image")
	for _, dir := range []string{"usr/bin", "proc", "sys", "dev", "etc", "fal", "tmp"} {
		if err := os.MkdirAll(filepath.Join(image, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", filepath.Join(s.bin, "docker-credential-fal"), filepath.Join(image, "usr/bin")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What a machine without systemd, and with limits of its own, needs.
	conf := filepath.Join(s.TempDir(), "containers.conf")
	text := "[containers]\ndefault_ulimits = [\"nofile=512:512\", \"nproc=512:512\"]\nnetns = \"none\"\n[engine]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\nevents_logger = \"file\"\n[engine.runtimes]\nrunc = [\"" + runtime + "\"]\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.Replace(recipe(t, "Containers", "sh"), "your-image", "--rootfs "+image, 1)
	run := func(script string) (string, error) {
		cmd := exec.Command("sh", "-euc", script)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Home, "CONTAINERS_CONF=" + conf}
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := run(script); err != nil || out != s.access() {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(strings.Replace(script, "--user 1234", "--user 1235", 1)); err == nil || !strings.Contains(out, "denied") {
		t.Errorf("a user who is not allowed: %v: %s", err, out)
	}
	if out, err := run(strings.Replace(script, "-fal token", "-fal erase </dev/null", 1)); err == nil {
		t.Errorf("erase: %s", out)
	}
}

func (s *stage) access() string {
	_, access := s.tokens()
	return access
}

// S7: in a user namespace of one's own one is root, and still the same to the
// kernel: nothing has to be allowed.
func TestRootlessNamespace_S7(t *testing.T) {
	testkit.NeedTool(t, "unshare")
	s, folder := shares(t)
	if out, err := exec.Command("chown", "-R", fmt.Sprint(otherUser), s.Home).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(s.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser, Gid: otherUser}}
	daemon := exec.Command(filepath.Join(s.bin, "falcred"), "run")
	daemon.Env, daemon.SysProcAttr = s.Env(), as
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		daemon.Process.Signal(syscall.SIGTERM)
		daemon.Wait()
	})
	ask := func(attr *syscall.SysProcAttr, args ...string) (string, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env, cmd.SysProcAttr, cmd.Dir = append(s.env(folder+"/sock"), "FALCRED_AUTOSTART=0"), attr, "/"
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	helper := filepath.Join(s.bin, "docker-credential-fal")
	s.Eventually("the namespace's root gets the token", func() bool {
		out, err := ask(as, "unshare", "--user", "--map-root-user", helper, "token")
		return err == nil && out == s.access()
	})
	stranger := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUser + 1, Gid: otherUser + 1}}
	if out, err := ask(stranger, "unshare", "--user", "--map-root-user", helper, "token"); err == nil {
		t.Errorf("a stranger, as root of a namespace: %s", out)
	}
}
