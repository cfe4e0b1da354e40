//go:build system

package packaging_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must come.
const patience = 60 * time.Second

// machine is a Debian with a real init as its first process, in a container without a
// network.
type machine struct {
	*testing.T
	init   initSystem
	root   string // its root folder, a copy
	shared string // a folder that it sees as /srv
	leader string // the pid of its first process, as seen from here
	nspawn *exec.Cmd
	log    lockedBuffer
}

// lockedBuffer is the console's output, written while it is read.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newMachine is on a copy of the image: never on the host's own root, whose /tmp the
// container's tmpfiles rules would empty.
func newMachine(t *testing.T, init initSystem) *machine {
	t.Helper()
	image := debian(t, init)
	folder := t.TempDir()
	m := &machine{T: t, init: init, root: filepath.Join(folder, "root"), shared: filepath.Join(folder, "srv")}
	output(t, "cp", "-a", "--reflink=auto", image, m.root)
	if err := os.Mkdir(m.shared, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.nspawn != nil {
			m.halt()
		}
	})
	return m
}

// boot starts the container and waits until all that starts with it has started.
func (m *machine) boot() {
	m.Helper()
	m.nspawn = exec.Command("systemd-nspawn", append([]string{"--quiet", "--register=no", "--keep-unit", "--private-network", "--boot",
		"--console=pipe", "--bind=" + m.shared + ":/srv", "--directory=" + m.root}, m.init.nspawn...)...)
	m.nspawn.Stdout, m.nspawn.Stderr = &m.log, &m.log
	if err := m.nspawn.Start(); err != nil {
		m.Fatal(err)
	}
	pid := m.nspawn.Process.Pid
	m.eventually("the container has booted", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		m.leader = strings.TrimSpace(string(text))
		return m.leader != "" && !strings.Contains(m.leader, " ") && m.try("root", m.init.booted) == nil
	})
}

// halt ends the container as a machine is switched off: this signal has nspawn send its
// first process another, which asks for it.
func (m *machine) halt() {
	m.Helper()
	m.nspawn.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		m.nspawn.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		m.nspawn.Process.Kill()
		<-ended
		m.Error("the container does not halt")
	}
	m.nspawn = nil
}

func (m *machine) reboot() {
	m.Helper()
	m.halt()
	m.boot()
}

// command runs a script in the container, as that user with its user manager.
func (m *machine) command(ctx context.Context, user, script string) *exec.Cmd {
	args := []string{"--target", m.leader, "--all", "--", "/usr/bin/env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8"}
	if user != "root" {
		args = append(args, "setpriv", "--reuid="+user, "--regid="+user, "--init-groups", "--reset-env")
		script = `export XDG_RUNTIME_DIR=/run/user/$(id -u) SYSTEMD_PAGER= PATH=$HOME/bin:/usr/local/bin:/usr/bin:/bin; cd; ` + script
	}
	return exec.CommandContext(ctx, "nsenter", append(args, "/bin/sh", "-c", "set -e; "+script)...)
}

func (m *machine) try(user, script string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := m.command(ctx, user, script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %s: %w\n%s", user, script, err, out)
	}
	return nil
}

// sh runs a script that must succeed, and returns what it prints.
func (m *machine) sh(user, script string) string {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var errs bytes.Buffer
	cmd := m.command(ctx, user, script)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("%s: %s: %v\n%s%s\n%s", user, script, err, out, errs.String(), m.journal())
	}
	return strings.TrimSpace(string(out))
}

// journal is the last that falcred and its managers have said.
func (m *machine) journal() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, _ := m.command(ctx, "root", m.init.said).CombinedOutput()
	return string(out)
}

// is wants what a script prints.
func (m *machine) is(user, script, want string) {
	m.Helper()
	if got := m.sh(user, script); got != want {
		m.Fatalf("%s: %s: %q, not %q\n%s", user, script, got, want, m.journal())
	}
}

// put copies a file into the container.
func (m *machine) put(from, to string) {
	m.Helper()
	output(m.T, "install", "-D", "-m", "755", from, filepath.Join(m.root, to))
}

func (m *machine) eventually(what string, done func() bool) {
	m.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			m.Fatalf("never: %s\n%s\n%s", what, m.log.String(), m.journal())
		}
	}
}

// output runs a command that must succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
