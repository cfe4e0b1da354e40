//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// scripted is a machine whose init runs a script of /etc/init.d, and ann, who never logs in.
type scripted struct {
	*installed
	control string // the init's own command for ann's service
	pid     string // prints the number of the daemon that the init has started
	programs
}

// TestOpenRC is what a user of OpenRC lives through: `falcred service install --system
// --run-as ann`, under supervise-daemon.
func TestOpenRC(t *testing.T) {
	m := newScripted(t, openrc)
	m.control = "rc-service falcred-ann"
	m.pid = "cat /run/openrc/options/falcred-ann/child_pid"
	m.step("install", m.install)
	m.step("kill: it comes back by itself", m.comesBack)
	m.step("a mistake of configuration is given up", m.givenUp)
	m.lives()
}

// TestSysV is the same under sysvinit, which starts nothing again.
func TestSysV(t *testing.T) {
	m := newScripted(t, sysvinit)
	m.control = "service falcred-ann"
	m.pid = "cat /run/falcred-ann.pid"
	m.step("install", m.install)
	m.step("kill: the next helper starts one, and the service takes over from it", m.onDemand)
	m.step("a mistake of configuration is told", m.told)
	m.lives()
}

func newScripted(t *testing.T, init initSystem) *scripted {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a container")
	}
	needMachines(t)
	m := &scripted{installed: newInstalled(t, init), programs: buildPrograms(t)}
	m.boot()
	m.addUser("ann")
	return m
}

// programs are two folders, each with falcred and its helper.
type programs struct{ old, next string }

func buildPrograms(t *testing.T) programs {
	t.Helper()
	one := func(version string) string {
		folder := t.TempDir()
		cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.release="+version, "-o", folder, "./cmd/falcred", "./cmd/docker-credential-fal")
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return folder
	}
	return programs{one("0.0.1"), one("0.0.2")}
}

// putPrograms replaces those of the machine: what runs goes on with the old ones.
func (m *scripted) putPrograms(folder string) {
	m.Helper()
	for _, program := range []string{"falcred", "docker-credential-fal"} {
		m.put(filepath.Join(folder, program), "/usr/local/bin/"+program)
	}
}

// service runs `falcred service` for ann.
func (m *scripted) service(verb string) string {
	m.Helper()
	return m.sh("root", "falcred service "+verb+" --system --run-as ann")
}

// state wants an exit status of `falcred service status`, and of the init's own.
func (m *scripted) state(want int) {
	m.Helper()
	for _, script := range []string{"falcred service status --system --run-as ann", m.control + " status"} {
		m.is("root", "code=0; "+script+" >/dev/null 2>&1 || code=$?; echo $code", strconv.Itoa(want))
	}
}

// serves wants a credential from the daemon that the init has started, and no other daemon.
func (m *scripted) serves() {
	m.Helper()
	m.credential("ann")
	m.is("ann", servedBy, m.sh("root", m.pid))
	m.oneIsLeft()
	m.state(0)
}

// awaits waits until the daemon that answers is the init's own.
func (m *scripted) awaits() {
	m.Helper()
	m.eventually("the init's daemon serves", func() bool {
		pid := m.sh("root", m.pid+" 2>/dev/null || true")
		return pid != "" && m.sh("ann", "FALCRED_AUTOSTART=0 "+servedBy) == pid
	})
	m.serves()
}

// install: the daemon is ann's, and has nothing of the shell that it was installed from.
func (m *scripted) install() {
	m.putPrograms(m.old)
	said := m.sh("root", "cd /opt; umask 022; export FALCRED_ISSUER=https://nowhere.example LOUD=yes; falcred service install --system --run-as ann")
	for _, want := range []string{"falcred-ann", "to undo it:"} {
		if !strings.Contains(said, want) {
			m.Errorf("%q does not say %q", said, want)
		}
	}
	m.awaits()
	pid := m.sh("root", m.pid)
	uid := m.sh("ann", "id -u; id -g; id -G")
	m.is("root", "awk '/^Uid:/ {print $2} /^Gid:/ {print $2} /^Groups:/ {print $2}' /proc/"+pid+"/status", uid)
	m.is("root", "awk '/^Umask:/ {print $2}' /proc/"+pid+"/status; readlink /proc/"+pid+"/cwd", "0077\n/")
	m.is("root", "tr '\\0' '\\n' </proc/"+pid+"/environ | grep -E '^(HOME|USER)=' | sort", "HOME=/home/ann\nUSER=ann")
	m.is("root", "tr '\\0' '\\n' </proc/"+pid+"/environ | grep -E '^(FAL|LOUD|SUDO|SSH|XDG)' || true", "")
	m.is("root", "find /home/ann ! -user ann", "")
	m.is("ann", "stat -c %a .fal/falcred.sock", "600")
	m.alive("ann")
}

// killHard kills the daemon, and returns the number that it had.
func (m *scripted) killHard() (before string) {
	m.Helper()
	before = m.sh("root", m.pid)
	m.sh("root", "kill -9 "+before)
	m.eventually("it is gone", func() bool { return m.try("root", "test -d /proc/"+before) != nil })
	return before
}

func (m *scripted) comesBack() {
	before := m.killHard()
	m.eventually("another daemon", func() bool {
		pid := m.sh("root", m.pid)
		return pid != before && m.try("root", "test -d /proc/"+pid) == nil
	})
	m.awaits()
	// Whoever asks in between has a daemon started, which makes way.
	m.killHard()
	m.credential("ann")
	m.awaits()
	m.alive("ann")
}

// givenUp: supervise-daemon knows no exit status that says not to try again, but a number (S11).
func (m *scripted) givenUp() {
	m.mistake()
	m.sh("root", m.control+" restart")
	m.eventually("it is given up", func() bool { return m.try("root", "grep -q 'respawned .* too many times' "+syslog) == nil })
	m.is("root", "grep -c 'exited with return code 78' "+syslog, "11")
	m.state(3)
	m.daemons(0)
	m.mended()
}

func (m *scripted) onDemand() {
	m.killHard()
	m.state(1)
	m.credential("ann")
	m.state(1)
	m.daemons(1)
	m.sh("root", m.control+" start")
	m.serves()
	m.alive("ann")
}

// told: it ends, start says so, and nothing starts it again but who asks (S11).
func (m *scripted) told() {
	m.mistake()
	m.is("root", m.control+" restart 2>&1 | grep -c 'falcred-ann has ended at once: the syslog says why'", "1")
	m.state(1)
	m.daemons(0)
	m.mended()
}

// mistake is one that only a person can correct.
func (m *scripted) mistake() {
	m.Helper()
	m.sh("ann", "cp .fal/falcred.env kept; echo FALCRED_ISSUER=nonsense >>.fal/falcred.env")
}

// mended: the syslog has said what to correct, and after that start is enough.
func (m *scripted) mended() {
	m.Helper()
	if m.try("root", "grep falcred "+syslog+" | grep -q FALCRED_ISSUER") != nil {
		m.Errorf("the syslog does not say what to correct:\n%s", m.journal())
	}
	m.sh("ann", "mv kept .fal/falcred.env")
	m.service("start")
	m.awaits()
	m.alive("ann")
}

// lives is the rest, which is the same for both.
func (m *scripted) lives() {
	m.step("stop, start, restart", m.stopStart)
	m.step("upgrade", m.upgrade)
	m.step("reboot", m.rebooted)
	m.step("uninstall", m.uninstall)
	m.step("the syslog holds no secret", func() { m.secretFree(m.sh("root", "cat "+syslog), " falcred") })
	m.nothingLost()
}

func (m *scripted) stopStart() {
	m.service("stop")
	m.state(3)
	m.daemons(0)
	m.service("start")
	m.awaits()
	// The variables of whoever calls the script itself are not the daemon's either.
	m.sh("root", "export FAL_HOME_DIR=/nowhere FALCRED_SOCKET=/nowhere LOUD=yes; /etc/init.d/falcred-ann restart")
	m.awaits()
	m.is("root", "tr '\\0' '\\n' </proc/$("+m.pid+")/environ | grep -E '^(FAL|LOUD)' || true", "")
	m.service("restart")
	m.awaits()
	m.service("stop")
	m.credential("ann") // by a helper's daemon
	m.state(3)
	m.service("start")
	m.awaits()
	m.alive("ann")
}

// upgrade: a helper may start a daemon between the two, so hardly anybody is turned away.
func (m *scripted) upgrade() {
	before := m.sh("root", m.pid)
	m.putPrograms(m.next)
	if errors := m.underLoad("FALCRED_AUTOSTART=1", func() { m.service("install") }); errors != "" {
		m.Logf("told to clients during the upgrade:\n%s", errors)
	}
	m.awaits()
	if m.sh("root", m.pid) == before {
		m.Fatal("the old daemon still runs")
	}
	m.is("ann", versionServed, "0.0.2")
	m.alive("ann")
}

// rebooted: it serves before anybody has asked.
func (m *scripted) rebooted() {
	m.reboot()
	m.eventually("the daemon runs", func() bool { return m.try("root", m.control+" status") == nil })
	m.awaits()
	m.alive("ann")
}

// uninstall leaves nothing but the home.
func (m *scripted) uninstall() {
	m.service("uninstall")
	m.daemons(0)
	m.is("root", "find /etc /run /var/lib -name '*falcred*'", "")
	m.is("root", "ps=$(grep -l supervise /proc/[0-9]*/comm 2>/dev/null | wc -l); echo $ps", "0")
	m.alive("ann")
}
