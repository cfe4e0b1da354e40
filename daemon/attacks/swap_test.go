//go:build linux && system

package attacks

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// sharedGroup is one that both users are in.
const sharedGroup = 34567

// precious are files of the victim's that falcred has no business with.
var precious = map[string]string{".npmrc": "//registry.example.com/:_authToken=npm_precious\n", ".bashrc": "alias ll='ls -l'\n"}

// evilHome makes a home of the attacker's, of links to what is the victim's.
const evilHome = `umask 022; mkdir "$1"
ln -s "$2/.bashrc" "$1/falcred.history"; ln -s "$2/.npmrc" "$1/auth0_token"
ln -s "$2/chosen" "$1/.portalock"; ln -s "$2/.bashrc" "$1/falcred.json"`

// team is a scene whose home lies in a folder of the victim's, who runs a daemon
// there, and where the attacker can write from now on.
func team(t *testing.T) (s *scene, above string) {
	s = newScene(t, idp.Config{})
	above = s.Base + "/team"
	s.Must(os.Mkdir(above, 0o755))
	s.Must(os.Rename(s.Home, above+"/home"))
	s.MoveTo(above + "/home")
	s.Must(os.Mkdir(s.Base+"/run", 0o700))
	s.Sock = s.Base + "/run/s"
	s.login(0)
	for name, text := range precious {
		s.Must(os.WriteFile(s.Base+"/"+name, []byte(text), 0o600))
		s.Must(os.Chmod(s.Base+"/"+name, 0o644))
	}
	s.belongTo(victim)
	s.Must(os.Chmod(s.Base, 0o755))
	return s, above
}

func (s *scene) share(folder string) {
	s.Helper()
	s.Must(os.Chown(folder, victim, sharedGroup))
	s.Must(os.Chmod(folder, 0o775|os.ModeSetgid))
}

// attack is a shell of the attacker's, who is in the group.
func (s *scene) attack(script string, args ...string) *exec.Cmd {
	cmd := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker, Groups: []uint32{sharedGroup}}, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// wantSpared: what is the victim's is as it was, nothing was made, and the issuer
// was told nothing.
func (s *scene) wantSpared(requests int) {
	s.Helper()
	for name, text := range precious {
		data, err := os.ReadFile(s.Base + "/" + name)
		info, statErr := os.Stat(s.Base + "/" + name)
		s.Must(errors.Join(err, statErr))
		if string(data) != text || info.Mode().Perm() != 0o644 {
			s.Errorf("%s holds %q, %v", name, data, info.Mode())
		}
	}
	if _, err := os.Lstat(s.Base + "/chosen"); err == nil {
		s.Error("the lock's link was followed")
	}
	if n := s.sent(); n != requests {
		s.Errorf("%d token requests, want %d", n, requests)
	}
	if strings.Contains(s.Logged.String(), "npm_precious") {
		s.Error("the log quotes what the link leads to")
	}
}

// force has a client say that its token was rejected, so that the daemon refreshes.
func (s *scene) force(access string) {
	var got protocol.Credential
	s.Ask(fmt.Sprintf(`get {"ServerURL":"https://fal.run","Rejected":%q}`, access), &got)
}

// F6: a user who can write the folder above the home swaps it for one of links.
func TestHomeIsSwapped_F6(t *testing.T) {
	const attack = "the home swapped, in a folder of mode 2775, for one of links to the user's .npmrc and .bashrc"
	table.NeedRoot(t, attack)
	s, above := team(t)
	s.serve()
	access := s.served()
	s.share(above)
	s.Must(s.attack(`mv "$1" "$1.was"; `+evilHome, s.Home, s.Base).Run())
	var status protocol.Status
	s.Eventually("the daemon says so", func() bool {
		s.Must(s.Ask("status", &status))
		return strings.Contains(status.LastError, above+" can be written by others")
	})
	if want := "chmod g-w " + above; !strings.Contains(status.Hint, want) {
		t.Errorf("the mend is %q, want %q", status.Hint, want)
	}
	s.force(access)
	if got, err := s.get(); err != nil || got != access {
		t.Errorf("what memory holds is not served: %v", err)
	}
	commands := [][]string{{"run"}, {"login"}, {"logout"}, {"logout", "--local"}, {"team", "list"}, {"history"}, {"status"}, {"doctor"}, {"follow", s.Sock}}
	for _, args := range commands {
		out, code := s.run("", "falcred", args...)
		s.wantNoLeakIn(out)
		named := strings.Contains(out, above) || strings.Contains(out, "~/"+filepath.Base(above)) // status has ~ for HOME
		if !named || code == 0 && args[0] != "status" {
			t.Errorf("falcred %v: exit %d, %s", args, code, out)
		}
	}
	s.wantSpared(0)

	s.Must(os.Rename(s.Home, s.Base+"/evil"))
	s.Must(os.Rename(s.Home+".was", s.Home))
	s.Must(os.Chmod(above, 0o755))
	s.Eventually("it is over", func() bool {
		var status protocol.Status
		s.Must(s.Ask("status", &status))
		return status.LastError == ""
	})
	s.Eventually("the mended home's login is refreshed", func() bool {
		s.force(access)
		got, err := s.get()
		return err == nil && got != access
	})
	s.wantSpared(1)
	table.Report(t, attack, fmt.Sprintf("a running daemon, %d commands", len(commands)), "named with the folder and the mend; nothing written, followed or sent; served from memory, and mended without a restart")
}

// F6: the same without a pause, beside a daemon that is asked without a pause.
func TestHomeIsSwappedInALoop_F6(t *testing.T) {
	const attack = "the home swapped back and forth in a loop, beside a daemon that is forced to refresh"
	const rounds = 400
	table.NeedRoot(t, attack)
	s, above := team(t)
	s.serve()
	access := s.served()
	s.share(above)
	s.Must(s.attack(evilHome, above+"/evil", s.Base).Run())
	loop := s.attack(`i=0; while [ $i -lt "$2" ]; do mv "$1/home" "$1/was"; mv "$1/evil" "$1/home"
mv "$1/home" "$1/evil"; mv "$1/was" "$1/home"; i=$((i+1)); done`, above, fmt.Sprint(rounds))
	s.Must(loop.Start())
	ended := make(chan error, 1)
	go func() { ended <- loop.Wait() }()
	asked := 0
	for running := true; running; asked++ {
		s.force(access)
		if asked%20 == 0 {
			s.run("", "falcred", "doctor")
			s.run("", "falcred", "run")
		}
		select {
		case err := <-ended:
			s.Must(err)
			running = false
		default:
		}
	}
	s.wantSpared(0)
	if asked < 10 {
		t.Errorf("only %d requests met the loop", asked)
	}
	table.Report(t, attack, fmt.Sprintf("%d rounds, %d requests", rounds, asked), "nothing written, followed or sent")
}

// F6: who is alone in his group may leave it the right to write above; where
// another is in it too, the tables say so or the number does.
func TestGroupsOfUsers_F6(t *testing.T) {
	const attack = "folders above the home that a group can write: the user's own, another's, one that is shared"
	table.NeedRoot(t, attack)
	cases := []struct {
		uid, gid int
		mode     os.FileMode
		refused  bool
	}{
		{victim, victim, 0o775, false}, {victim, sharedGroup, 0o775, true}, {victim, attacker, 0o775 | os.ModeSetgid, true},
		{0, victim, 0o775, false}, {0, 0, 0o755, false}, {attacker, victim, 0o755, true}, {overflow, victim, 0o755, true},
		{victim, victim, 0o777, true}, {0, 0, 0o777 | os.ModeSticky, false}, {victim, sharedGroup, 0o775 | os.ModeSticky, false},
	}
	for _, c := range cases {
		s, above := team(t)
		s.Must(os.Chown(above, c.uid, c.gid))
		s.Must(os.Chmod(above, c.mode))
		if c.refused {
			if out, code := s.run("", "falcred", "run"); code != 78 || strings.Count(out, "\n") != 2 || !strings.Contains(out, above) {
				t.Errorf("%+v: exit %d, %s", c, code, out)
			}
			continue
		}
		s.serve()
		s.served()
		s.end(syscall.SIGTERM)
	}
	table.Report(t, attack, fmt.Sprintf("%d folders", len(cases)), "refused by two lines, but for the user's own group and sticky ones")
}

// F6: inside of a user namespace root and everybody else are one number; what is
// above the home there belongs to root outside.
func TestHomeInAUserNamespace_F6(t *testing.T) {
	const attack = "the overflow uid as the owner of folders above, in a user namespace and outside"
	table.NeedRoot(t, attack)
	unshare := table.NeedTool(t, attack, "unshare")
	s, above := team(t)
	s.Must(os.Chown(above, 0, 0))
	cmd := s.command("falcred", "run")
	cmd.Args = []string{unshare, "-U", "--map-user=" + fmt.Sprint(victim), "--map-group=" + fmt.Sprint(victim), cmd.Path, "run"}
	cmd.Path = unshare
	s.launch(cmd)
	s.Eventually("it listens", func() bool { _, err := os.Stat(s.Sock); return err == nil })
	s.end(syscall.SIGTERM)
	s.Must(os.Chown(above, overflow, overflow)) // outside this is a user as others are
	if out, code := s.run("", "falcred", "run"); code != exitMistake || !strings.Contains(out, above+" belongs to another user") {
		t.Errorf("outside: exit %d, %s", code, out)
	}
	table.Report(t, attack, "2 daemons", "started inside, refused outside")
}

// F2: a token file of links leads only where nobody else can write.
func TestTokenFileLeadsElsewhere_F6(t *testing.T) {
	const attack = "the token file a link into a folder that others can write, and to another's file"
	table.NeedRoot(t, attack)
	s, _ := team(t)
	shared := s.Base + "/shared"
	s.Must(os.Mkdir(shared, 0o755))
	s.Must(os.Chown(shared, victim, victim))
	s.Must(os.Rename(s.File, shared+"/token"))
	s.Must(os.Symlink(shared+"/token", s.File))
	s.serve()
	access := s.served()
	s.share(shared)
	s.Must(s.attack(`mv "$1/token" "$1/was"; ln -s "$2/.npmrc" "$1/token"`, shared, s.Base).Run())
	s.Eventually("the daemon says so", func() bool {
		var status protocol.Status
		s.Must(s.Ask("status", &status))
		return strings.Contains(status.LastError, shared+" can be written by others")
	})
	s.force(access)
	s.wantSpared(0)
	if got, err := s.get(); err != nil || got != access {
		t.Errorf("what memory holds is not served: %v", err)
	}
	table.Report(t, attack, "a link swapped for one to the user's .npmrc", "not followed; served from memory")
}
