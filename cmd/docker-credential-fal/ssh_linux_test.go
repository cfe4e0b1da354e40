//go:build system

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// fleet is a stage whose login is shared, and some machines: network namespaces
// of their own, with a real sshd and a home each. The files are this machine's.
type fleet struct {
	*stage
	share  string // the owner's socket for others
	folder string // of all that is ssh's
	hosts  []string
}

func newFleet(t *testing.T, machines int) *fleet {
	t.Helper()
	for _, tool := range []string{"ssh", "ssh-keygen", "ip", "nc", "socat"} {
		testkit.NeedTool(t, tool)
	}
	sshd := testkit.NeedTool(t, "/usr/sbin/sshd")
	testkit.NeedRoot(t) // for namespaces and sshd
	f := &fleet{stage: newStage(t, idp.Config{})}
	dir := testkit.ShortDir(t)
	f.folder, f.share = dir, filepath.Join(f.Home, ".fal", "share.sock")
	f.Must(os.Mkdir(filepath.Dir(f.share), 0o700))
	f.Must(os.MkdirAll("/run/sshd", 0o755)) // its privilege separation wants it
	for _, key := range []string{"client", "host"} {
		f.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
	}
	for i := range machines {
		f.boot(sshd, fmt.Sprintf("build%02d", i+1))
	}
	return f
}

func (f *fleet) command(name string, args ...string) {
	f.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		f.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// boot makes a machine: its sshd listens on its own loopback, where the client
// reaches it by entering the namespace.
func (f *fleet) boot(sshd, host string) {
	f.Helper()
	space := fmt.Sprintf("f%d%s", os.Getpid()%100000, host)
	f.command("ip", "netns", "add", space)
	f.Cleanup(func() { exec.Command("ip", "netns", "del", space).Run() })
	f.command("ip", "-n", space, "link", "set", "lo", "up")
	f.Must(os.MkdirAll(f.homeOf(host), 0o700))
	config := filepath.Join(f.folder, host+".sshd")
	f.Must(os.WriteFile(config, fmt.Appendf(nil, `ListenAddress 127.0.0.1:22
HostKey %[1]s/host
AuthorizedKeysFile %[1]s/client.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
StreamLocalBindUnlink yes
SetEnv PATH=%[1]s/bin:%[2]s:/usr/bin:/bin HOME=%[3]s FAL_HOME_DIR=%[3]s/.fal
`, f.folder, f.bin, f.homeOf(host)), 0o600))
	server := exec.Command("ip", "netns", "exec", space, sshd, "-D", "-e", "-f", config)
	f.Must(server.Start())
	f.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
	})
	f.Eventually(host+"'s sshd listens", func() bool {
		return exec.Command("ip", "netns", "exec", space, "nc", "-z", "127.0.0.1", "22").Run() == nil
	})
	file, err := os.OpenFile(filepath.Join(f.folder, "config"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.Must(err)
	defer file.Close()
	fmt.Fprintf(file, `Host %s
  User root
  ProxyCommand ip netns exec %s socat - TCP:127.0.0.1:22
  IdentityFile %[3]s/client
  UserKnownHostsFile %[3]s/known
  StrictHostKeyChecking accept-new
  ExitOnForwardFailure yes
  LogLevel ERROR
`, host, space, f.folder)
	f.hosts = append(f.hosts, host)
}

func (f *fleet) homeOf(host string) string { return filepath.Join(f.folder, host) }

// socketAt is where the owner's socket is forwarded to.
func (f *fleet) socketAt(host string) string { return filepath.Join(f.homeOf(host), "s") }

// sharing starts the owner's daemon.
func (f *fleet) sharing() {
	f.Helper()
	f.More = append(f.More, "FALCRED_SHARE_SOCKET="+f.share)
	f.daemon(f.Sock)
	f.listens(f.share)
}

// on prepares a command at a host, through a connection of its own.
func (f *fleet) on(host, script string) *exec.Cmd {
	return exec.Command("ssh", "-F", filepath.Join(f.folder, "config"), "-R", f.socketAt(host)+":"+f.share, host,
		"export FALCRED_SOCKET="+f.socketAt(host)+" FALCRED_AUTOSTART=0; "+script)
}

// 200 jobs on three machines, one owner whose token has run out: one refresh, no
// failure, and no refresh token anywhere but at the owner's.
func TestSSHFleet_S7(t *testing.T) {
	f := newFleet(t, 3)
	refresh, _, _ := f.IDP.Login("ann")
	f.expired(refresh, false)
	before := f.IDP.Stats().TokenRequests
	f.sharing()
	const each = 67
	script := fmt.Sprintf(`for i in $(seq %d); do (docker-credential-fal token || echo failed) >out.$i 2>&1 & done; wait; cat out.*`, each)
	var jobs sync.WaitGroup
	outs := make([]bytes.Buffer, len(f.hosts))
	for i, host := range f.hosts {
		jobs.Go(func() {
			cmd := f.on(host, "cd; "+script)
			cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
			if err := cmd.Run(); err != nil {
				f.Errorf("%s: %v", host, err)
			}
		})
	}
	jobs.Wait()
	_, access := f.tokens()
	for i, host := range f.hosts {
		if n := strings.Count(outs[i].String(), access+"\n"); n != each {
			f.Errorf("%s: %d of %d jobs got the token:\n%.2000s", host, n, each, outs[i].String())
		}
	}
	stats := f.IDP.Stats()
	if n := stats.TokenRequests - before; n != 1 || stats.ReuseDetections != 0 {
		f.Errorf("%d refreshes, %d reuse detections", n, stats.ReuseDetections)
	}
	t.Logf("%d jobs on %d machines: %d refresh, 0 failures", each*len(f.hosts), len(f.hosts), stats.TokenRequests-before)
	f.wantNoRefreshToken()
}

// wantNoRefreshToken looks through all that the machines have.
func (f *fleet) wantNoRefreshToken() {
	f.Helper()
	refresh, _ := f.tokens()
	for _, host := range f.hosts {
		if out, err := exec.Command("grep", "-rlF", refresh, f.homeOf(host)).Output(); err == nil {
			f.Errorf("the refresh token is on %s: %s", host, out)
		}
	}
}

// A connection that breaks leaves a socket that nobody serves; the next one takes
// its place, and a follow that goes on there finds it.
func TestSSHReconnects_S7(t *testing.T) {
	f := newFleet(t, 1)
	refresh, _, _ := f.IDP.Login("ann")
	f.expired(refresh, false)
	f.sharing()
	host := f.hosts[0]
	first := f.on(host, "echo $PPID; exec cat") // which ends with its connection
	_, err := first.StdinPipe()
	f.Must(err)
	out, err := first.StdoutPipe()
	f.Must(err)
	f.Must(first.Start())
	var pid [16]byte
	n, err := out.Read(pid[:])
	f.Must(err)
	session, err := strconv.Atoi(strings.TrimSpace(string(pid[:n])))
	f.Must(err)

	follow := exec.Command(filepath.Join(f.bin, "falcred"), "follow", f.socketAt(host))
	follow.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.homeOf(host), "FAL_HOME_DIR=" + f.homeOf(host) + "/.fal"}
	f.Must(follow.Start())
	f.followed(host)

	f.Must(syscall.Kill(session, syscall.SIGKILL)) // that connection's sshd
	first.Wait()
	if info, err := os.Lstat(f.socketAt(host)); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Fatalf("no stale socket was left: %v", err)
	}
	f.rotate()
	second := f.on(host, "exec cat")
	_, err = second.StdinPipe()
	f.Must(err)
	f.Must(second.Start())
	f.followed(host)
	f.wantNoRefreshToken()

	follow.Process.Signal(syscall.SIGTERM)
	follow.Wait()
	if _, err := os.Stat(filepath.Join(f.homeOf(host), ".fal", "auth0_token")); err == nil {
		t.Error("the end of follow left its file")
	}
	// Not SIGTERM: ssh would wait for its proxy command, and socat can be stuck in
	// its signal handler.
	second.Process.Kill()
	second.Wait()
}

// A follow that a connection has started ends with it, and leaves no token there.
func TestSSHFollowEnds_S7(t *testing.T) {
	f := newFleet(t, 1)
	refresh, _, _ := f.IDP.Login("ann")
	f.expired(refresh, false)
	f.sharing()
	host := f.hosts[0]
	cmd := f.on(host, "exec falcred follow $FALCRED_SOCKET")
	f.Must(cmd.Start())
	f.followed(host)
	f.Must(cmd.Process.Kill()) // the client: as a network that goes away
	cmd.Wait()
	f.Eventually("the token has gone from "+host, func() bool {
		_, err := os.Lstat(filepath.Join(f.homeOf(host), ".fal", "auth0_token"))
		return os.IsNotExist(err)
	})
}

// followed waits until an unmodified reader at the host finds the token of the
// moment.
func (f *fleet) followed(host string) {
	f.Helper()
	f.Eventually(host+" has the token", func() bool {
		_, access := f.tokens()
		data, _ := os.ReadFile(filepath.Join(f.homeOf(host), ".fal", "auth0_token"))
		lines := strings.Split(string(data), "\n")
		return len(lines) == 2 && lines[1] == access
	})
}

// The page's recipe, with a socket of this test's own.
func TestRecipeSSH(t *testing.T) {
	f := newFleet(t, 1)
	refresh, _, _ := f.IDP.Login("ann")
	f.expired(refresh, false)
	f.sharing()
	f.settled([]string{f.Sock})
	tools := filepath.Join(f.folder, "bin")
	f.Must(os.Mkdir(tools, 0o755))
	f.Must(os.WriteFile(filepath.Join(tools, "ssh"), fmt.Appendf(nil, "#!/bin/sh\nexec /usr/bin/ssh -F %s/config \"$@\"\n", f.folder), 0o755))
	// As an unmodified SDK reads: it may come before follow has written.
	f.Must(os.WriteFile(filepath.Join(tools, "your-job"), []byte(`#!/bin/sh
until [ -s "$FAL_HOME_DIR/auth0_token" ]; do sleep 0.02; done
cat "$FAL_HOME_DIR/auth0_token"
`), 0o755))
	script := strings.ReplaceAll(recipe(t, "Other machines, by ssh", "sh"), "/tmp/fal.sock", f.socketAt(f.hosts[0]))
	cmd := exec.Command("sh", "-euc", script)
	cmd.Env = append(f.Env(), "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if _, access := f.tokens(); err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), access) {
		t.Errorf("%v\n%s", err, out)
	}
	f.wantNoRefreshToken()
	if _, err := os.Stat(filepath.Join(f.homeOf(f.hosts[0]), ".fal", "auth0_token")); err == nil {
		t.Error("the token file is still there")
	}
}
