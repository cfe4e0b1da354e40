//go:build linux && system

package attacks

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

const (
	victim   = 12345
	attacker = 23456
	overflow = 65534 // S7: what the kernel calls a user whom it cannot number
)

// wideOpen takes away what S2 gives, so that S3 stands alone.
func (s *scene) wideOpen() {
	s.Helper()
	for _, path := range []string{s.Base, s.Home, s.Sock} {
		s.Must(os.Chmod(path, 0o777))
	}
}

// S3: whoever is not the daemon's user or root is told one line, by the
// kernel's word about him, and said once in the log.
func TestOtherUsers(t *testing.T) {
	const attack = "another user, uid 65534, and users in user namespaces of their own, at a socket that everybody may open"
	table.NeedRoot(t, attack)
	unshare := table.NeedTool(t, attack, "unshare")
	s := newScene(t, idp.Config{})
	s.login(0)
	s.belongTo(victim)
	s.serve()
	s.served()
	s.wideOpen()
	tries := 0
	for _, a := range []struct {
		uid     uint32
		through []string
	}{
		{attacker, nil}, {overflow, nil}, {attacker, []string{unshare, "-U"}}, {attacker, []string{unshare, "-r"}},
		{overflow, []string{unshare, "-r"}}, {attacker, nil}, {overflow, nil}, {attacker + 1, nil},
	} {
		out, err := s.as(a.uid, "ask", s.Sock, a.through...).CombinedOutput()
		s.wantDenied(fmt.Sprintf("uid %d %v", a.uid, a.through), string(out), err)
		tries++
	}
	for _, uid := range []int{attacker, overflow, attacker + 1} {
		s.wantLines(1, fmt.Sprintf("a client was denied\" uid=%d ", uid))
	}
	// The daemon's own user is himself in his own namespace too: it is the kernel that says so.
	if out, err := s.as(victim, "ask", s.Sock, unshare, "-r").CombinedOutput(); err != nil || !strings.Contains(string(out), "Bearer") {
		t.Errorf("the user himself, as root of his own namespace: %v: %s", err, out)
	}
	table.Report(t, attack, fmt.Sprintf("%d connections", tries), "denied before a byte was read; each uid said once in the log")
}

// S3, S7: seen from inside a user namespace everybody outside has the overflow
// uid, root included. None of them is served.
func TestDaemonInAUserNamespace(t *testing.T) {
	const attack = "users outside of the daemon's own user namespace, who all look like uid 65534"
	table.NeedRoot(t, attack)
	unshare := table.NeedTool(t, attack, "unshare")
	s := newScene(t, idp.Config{})
	s.login(0)
	s.belongTo(victim)
	cmd := s.command("falcred", "run")
	cmd.Args = []string{unshare, "-U", "--map-user=" + fmt.Sprint(victim), "--map-group=" + fmt.Sprint(victim), cmd.Path, "run"}
	cmd.Path = unshare
	s.launch(cmd)
	s.Eventually("the daemon listens", func() bool { _, err := os.Stat(s.Sock); return err == nil })
	s.Eventually("its own user is served", func() bool {
		out, _ := s.as(victim, "ask", s.Sock).CombinedOutput()
		return strings.Contains(string(out), "Bearer")
	})
	s.wideOpen()
	for _, uid := range []uint32{attacker, overflow, 0} {
		out, err := s.as(uid, "ask", s.Sock).CombinedOutput()
		s.wantDenied(fmt.Sprintf("uid %d", uid), string(out), err)
	}
	s.wantLines(1, "a client was denied\" uid=65534 ")
	table.Report(t, attack, "3 users, root among them", "denied; said once in the log")
}

func (s *scene) wantDenied(who, out string, err error) {
	s.Helper()
	if err != nil {
		s.Errorf("%s cannot even connect: nothing is tested: %v: %s", who, err, out)
		return
	}
	line, rest, _ := strings.Cut(out, "\n")
	if e := protocol.AsError(protocol.ParseAnswer(line, nil)); e.Code != protocol.CodeDenied || rest != "" {
		s.Errorf("%s was told %q", who, out)
	}
	s.wantNoLeakIn(out)
}

// S3: the programs tell nothing to a server that is another user's, however it
// came to the socket's path: a squatted FALCRED_SOCKET, or a folder that was
// moved away because the one above it is everybody's.
func TestFakeServer(t *testing.T) {
	const attack = "another user's server at FALCRED_SOCKET, at a path in a folder of everybody's, and where a folder was moved away"
	table.NeedRoot(t, attack)
	s := newScene(t, idp.Config{})
	refresh, _ := s.login(0)
	open := s.Base + "/open"
	s.Must(os.MkdirAll(open+"/run", 0o700))
	s.belongTo(victim)
	s.Must(os.Chmod(s.Base, 0o755))
	s.Sock = open + "/run/s"
	s.serve()
	s.served()
	s.Must(os.Chmod(open, 0o777))               // before, it would not have started there (S2)
	s.Must(os.Rename(open+"/run", open+"/was")) // anybody may, there
	s.Must(os.Mkdir(open+"/run", 0o777))
	s.Must(os.Chmod(open+"/run", 0o777))
	store := fmt.Sprintf(`{"ServerURL":"https://fal.run","Username":"<token>","Secret":%q}`, refresh)
	tries := 0
	for _, socket := range []string{open + "/run/s", open + "/squatted"} {
		s.Sock = socket
		end := s.listen(attacker, socket)
		for _, c := range []struct {
			stdin string
			args  []string
		}{
			{store, []string{"docker-credential-fal", "store"}}, {"https://fal.run", []string{"docker-credential-fal", "get"}},
			{"https://fal.run", []string{"docker-credential-fal", "erase"}}, {"", []string{"docker-credential-fal", "token"}},
			{"", []string{"docker-credential-fal", "header"}}, {"", []string{"falcred", "status"}}, {"", []string{"falcred", "logout"}},
			{"", []string{"falcred", "team", "list"}}, {"", []string{"falcred", "run"}},
		} {
			out, code := s.run(c.stdin, c.args[0], c.args[1:]...)
			if code == 0 || strings.Contains(out, "Bearer ") {
				t.Errorf("%v at %s: exit %d, %s", c.args, socket, code, out)
			}
			s.wantNoLeakIn(out)
			tries++
		}
		if told := end(); !strings.HasSuffix(told, " visits, 0 bytes") || strings.HasPrefix(told, "0 ") {
			t.Errorf("the server at %s had %s", socket, told)
		}
	}
	if !s.issuer.Alive(refresh) {
		t.Error("the login is gone")
	}
	table.Report(t, attack, fmt.Sprintf("%d commands, a store among them", tries), "refused with the reason; the server was told 0 bytes")
}

// S4: a process of the same user looks into the daemon by no way that Linux
// has, and gets no core of it. That user's other processes show that the ways
// are open here.
func TestSameUserLooksInside(t *testing.T) {
	const attack = "/proc/PID/*, ptrace, process_vm_readv, pidfd_getfd and a core after SIGABRT, by the same user"
	table.NeedRoot(t, attack)
	s := newScene(t, idp.Config{})
	s.login(0)
	s.belongTo(victim)
	s.serve()
	s.served()
	control := exec.Command("sleep", "600")
	control.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: victim, Gid: victim}, Pdeathsig: syscall.SIGKILL}
	s.Must(control.Start())
	defer control.Wait()
	defer control.Process.Kill()
	open := s.spy(control.Process.Pid)
	granted, tried := 0, 0
	for way, verdict := range s.spy(s.cmd.Process.Pid) {
		switch {
		case verdict == "GRANTED":
			t.Errorf("%s is granted", way)
		case open[way] == "GRANTED":
			granted++
		}
		tried++
	}
	if granted < 6 {
		t.Errorf("only %d ways are open into another process: nothing is tested", granted)
	}
	s.Must(exec.Command("setpriv", "--reuid", fmt.Sprint(victim), "--regid", fmt.Sprint(victim), "--clear-groups", "kill", "-ABRT", fmt.Sprint(s.cmd.Process.Pid)).Run())
	if status := s.ended(); status.CoreDump() {
		t.Error("it left a core")
	}
	s.wantNoLeakIn(s.Logged.String())
	table.Report(t, attack, fmt.Sprintf("%d ways, %d of them open into the user's other processes", tried, granted), "all refused, no core")
}

func (s *scene) spy(pid int) map[string]string {
	s.Helper()
	out, err := s.as(victim, "spy", fmt.Sprint(pid)).Output()
	s.Must(err)
	ways := map[string]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		ways[strings.Join(words[:len(words)-1], " ")] = words[len(words)-1]
	}
	return ways
}
