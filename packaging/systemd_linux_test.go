//go:build system

package packaging_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// TestSystemd is what a user lives through, under a real systemd: the package,
// then `falcred service` without it.
func TestSystemd(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a container")
	}
	testkit.NeedTool(t, "dpkg-deb")
	needMachines(t)
	old, next := packages(t, "deb")
	m := newInstalled(t, systemd)
	// What is said before a reboot is searched too.
	m.write("etc/systemd/journald.conf", "[Journal]\nStorage=persistent\n")
	m.write("etc/systemd/system/issuer.service", "[Service]\nExecStart="+forward+"\n[Install]\nWantedBy=multi-user.target\n")
	output(t, "systemctl", "--root="+m.root, "enable", "issuer.service")
	m.boot()
	m.addUser("ann")
	m.linger("ann")
	m.put(old, "/opt/old.deb")
	m.put(next, "/opt/new.deb")

	m.step("install", m.install)
	m.step("kill", func() { m.killed("ann") })
	m.step("the socket's name is gone", m.nameless)
	m.step("watchdog", m.watchdog)
	m.step("stop, start, restart", m.stopStart)
	m.step("reboot", func() { m.rebooted("ann") })
	m.step("upgrade", m.upgrade)
	m.step("the command beside the package", m.besidePackage)
	m.step("a user without user namespaces", m.withoutNamespaces)
	m.step("purge", m.purge)
	m.step("service", m.byCommand)
	m.step("service --system", m.bySystemCommand)
	m.step("the journal holds no secret", func() {
		said := m.sh("root", "journalctl --no-pager --all -o export")
		m.secretFree(said, "\n_COMM=falcred\n")
		m.inTheJournal(said)
	})
	m.nothingLost()
}

// packages builds an older and a newer package.
func packages(t *testing.T, format string) (old, next string) {
	t.Helper()
	out := t.TempDir()
	for _, version := range []string{"0.0.1", "0.0.2"} {
		cmd := exec.Command("go", "run", "./packaging/build", "-version", version, "-arch", goarch(t), "-format", format, "-out", out)
		cmd.Dir = ".."
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	one := func(version string) string {
		found, _ := filepath.Glob(filepath.Join(out, "falcred*"+version+"*."+format))
		if len(found) != 1 {
			t.Fatalf("no single %s of %s: %v", format, version, found)
		}
		return found[0]
	}
	return one("0.0.1"), one("0.0.2")
}

func goarch(t *testing.T) string { return strings.TrimSpace(output(t, "go", "env", "GOARCH")) }

// linger has a user's manager run without a login.
func (m *installed) linger(name string) {
	m.Helper()
	m.sh("root", "loginctl enable-linger "+name)
	m.eventually(name+"'s manager runs", func() bool { return m.try(name, "systemctl --user is-active default.target") == nil })
}

// states wants the socket's and the service's state of a user.
func (m *installed) states(user, socket, service string) {
	m.Helper()
	m.is(user, "systemctl --user is-active falcred.socket falcred.service || true", socket+"\n"+service)
}

// answered wants a credential by the helper, and the daemon to be the service's.
func (m *installed) answered(user string) {
	m.Helper()
	m.credential(user)
	m.is(user, servedBy, m.sh(user, "systemctl --user show -P MainPID falcred.service"))
}

func (m *installed) install() {
	m.sh("root", "dpkg -i /opt/old.deb 2>&1")
	m.states("ann", "active", "inactive")
	m.is("ann", "stat -c %a .fal/falcred.sock", "600")
	m.answered("ann")
	m.states("ann", "active", "active")
	m.is("ann", "falcred version | cut -d' ' -f2", "0.0.1")
	m.is("ann", "docker-credential-fal version | grep -c 0.0.1", "1")
	m.eventually("the status line", func() bool {
		return strings.HasPrefix(m.sh("ann", "systemctl --user show -P StatusText falcred.service"), "login: logged_in")
	})
	m.is("root", "for s in bash-completion/completions/falcred zsh/vendor-completions/_falcred fish/vendor_completions.d/falcred.fish man/man1/falcred-run.1.gz man/man5/falcred.env.5.gz; do test -s /usr/share/$s || echo $s; done", "")
}

// killed: systemd starts it again, and no login is lost.
func (m *installed) killed(user string) {
	m.Helper()
	before := m.sh(user, "systemctl --user show -P MainPID falcred.service")
	m.sh(user, "kill -9 "+before)
	m.sh(user, asked)
	m.eventually("a new daemon", func() bool {
		pid := m.sh(user, "systemctl --user show -P MainPID falcred.service")
		return pid != "0" && pid != before && m.try(user, "systemctl --user is-active falcred.service") == nil
	})
	m.answered(user)
	m.alive(user)
}

// nameless: systemd listens on a socket that nobody finds, as after `rm -r` of the
// home. The service makes its own until systemd's is started anew.
func (m *installed) nameless() {
	pid := m.sh("ann", "systemctl --user show -P MainPID falcred.service")
	m.sh("ann", "rm .fal/falcred.sock; kill -9 "+pid)
	m.eventually("a socket", func() bool { return m.try("ann", "test -S .fal/falcred.sock") == nil })
	m.answered("ann")
	m.sh("ann", "systemctl --user restart falcred.socket")
	m.answered("ann")
	m.daemons(1)
	m.alive("ann")
}

// watchdog: a daemon that stands still is killed, and another takes its place.
func (m *installed) watchdog() {
	m.sh("ann", "mkdir -p .config/systemd/user/falcred.service.d; printf '[Service]\\nWatchdogSec=3\\n' >.config/systemd/user/falcred.service.d/hurry.conf; systemctl --user daemon-reload; systemctl --user restart falcred.service")
	pid := m.sh("ann", "systemctl --user show -P MainPID falcred.service")
	m.sh("ann", "kill -STOP "+pid)
	m.eventually("another daemon", func() bool {
		now := m.sh("ann", "systemctl --user show -P MainPID falcred.service")
		return now != "0" && now != pid
	})
	m.answered("ann")
	m.is("ann", "journalctl --user -u falcred.service -o cat 2>/dev/null | grep -c 'Watchdog timeout' || true", "1")
	m.sh("ann", "rm -r .config/systemd/user/falcred.service.d; systemctl --user daemon-reload; systemctl --user restart falcred.service")
	m.alive("ann")
}

func (m *installed) stopStart() {
	m.sh("ann", "systemctl --user stop falcred.socket falcred.service")
	m.states("ann", "inactive", "inactive")
	m.is("ann", "ls .fal/falcred.sock 2>/dev/null || true", "")
	m.sh("ann", "systemctl --user start falcred.service") // and its socket with it
	m.states("ann", "active", "active")
	m.answered("ann")
	m.sh("ann", "systemctl --user restart falcred.service")
	m.answered("ann")
	// A helper's daemon makes way for the service.
	m.sh("ann", "systemctl --user stop falcred.socket falcred.service; docker-credential-fal token >/dev/null")
	m.daemons(1)
	m.sh("ann", "systemctl --user start falcred.socket")
	m.answered("ann")
	m.oneIsLeft()
	m.alive("ann")
}

func (m *installed) rebooted(user string) {
	m.Helper()
	m.reboot()
	m.eventually("the user's socket is there", func() bool {
		return m.try(user, "systemctl --user is-active falcred.socket") == nil
	})
	m.states(user, "active", "inactive")
	m.answered(user)
	m.alive(user)
}

// upgrade puts a newer package in while 50 clients ask as fast as they can.
func (m *installed) upgrade() {
	before := m.sh("ann", "systemctl --user show -P MainPID falcred.service")
	// None of them may start a daemon of its own: the socket holds the queue.
	if errors := m.underLoad("FALCRED_AUTOSTART=0", func() { m.sh("root", "dpkg -i /opt/new.deb 2>&1") }); errors != "" {
		m.Errorf("clients were turned away:\n%s", errors)
	}
	if after := m.sh("ann", "systemctl --user show -P MainPID falcred.service"); after == before {
		m.Fatal("the old daemon still runs")
	}
	m.is("ann", versionServed, "0.0.2")
	m.alive("ann")
}

// besidePackage: the command uses the package's units, and a service of the
// machine for the same user has that user's own one make way.
func (m *installed) besidePackage() {
	m.is("ann", "falcred service install | head -n 1", "the package's units are used")
	m.is("ann", "find .config -type f", "")
	m.answered("ann")
	m.is("ann", "falcred service uninstall 2>&1 | grep -c 'systemctl --user mask'", "1")
	m.sh("root", "falcred service install --system --run-as ann")
	m.states("ann", "inactive", "inactive")
	m.sh("ann", "systemctl --user start falcred.socket falcred.service")
	m.states("ann", "inactive", "inactive")
	m.sh("ann", asked)
	m.daemons(1)
	m.is("root", "systemctl is-active falcred@ann.service", "active")
	m.is("ann", "falcred service install 2>&1 | grep -c 'a service of the machine (falcred@ann) serves you already'", "1")
	m.is("ann", "falcred service uninstall >/dev/null; find .config/systemd -name '*falcred*'", "") // it took back what it did
	m.sh("root", "falcred service uninstall --system --run-as ann")
	m.sh("ann", "systemctl --user start falcred.socket")
	m.answered("ann")
}

// purge leaves the home as it is, and nothing elsewhere.
func (m *installed) purge() {
	const list = "find .fal -type f | sort | xargs sha256sum"
	m.sh("ann", "systemctl --user stop falcred.socket falcred.service; systemctl --user start falcred.socket")
	home := m.sh("ann", list)
	m.sh("root", "dpkg --purge falcred 2>&1")
	m.is("ann", list, home)
	m.is("root", "find /usr /etc /var/lib -name '*falcred*' -o -name 'docker-credential-fal*'", "")
	m.daemons(0)
	m.alive("ann")
}

// byCommand is the same without the package, for a home of the user's choice
// beside the standard one.
func (m *installed) byCommand() {
	m.unpack("/home/ann/bin")
	m.looksFirst()
	said := m.sh("ann", "falcred service install")
	for _, want := range []string{"wrote /home/ann/.config/systemd/user/falcred.service", "falcred.socket", "falcred.service runs, and starts with the machine\n", // ann lingers
		"to undo it: falcred service uninstall"} {
		if !strings.Contains(said, want) {
			m.Fatalf("%q does not say %q", said, want)
		}
	}
	m.is("ann", "grep ^ExecStart= .config/systemd/user/falcred.service", "ExecStart=/home/ann/bin/falcred run")
	m.states("ann", "active", "active")
	m.answered("ann")
	m.killed("ann")
	m.sh("ann", "falcred service install | grep -q unchanged")
	m.answered("ann")
	m.sh("ann", "falcred service restart; falcred service status >/dev/null; falcred service stop")
	m.is("ann", "falcred service status >/dev/null || echo $?", "3")
	m.sh("ann", "falcred service start")
	m.sh("ann", "falcred restart | grep -q '^falcred.service runs, pid '; falcred stop | grep -q '^falcred.service is stopped (pid '")
	m.is("ann", "falcred service status >/dev/null || echo $?", "3")
	m.sh("ann", "falcred restart --json | grep -q '\"Running\": true'")
	m.reboot()
	m.eventually("the service runs", func() bool { return m.try("ann", "systemctl --user is-active falcred.service") == nil })
	m.answered("ann")
	m.misledLater()
	m.stoppedIsNamed()
	m.secondHome()
	m.sh("ann", "falcred service uninstall; falcred service uninstall --purge")
	m.is("ann", "ls -A .fal", ".portalock\nauth0_token")
	m.is("ann", "find .config/systemd | grep falcred || true", "")
	m.daemons(0)
	m.alive("ann")
}

// stoppedIsNamed: who finds no daemon is told to start the service that there is.
func (m *installed) stoppedIsNamed() {
	m.Helper()
	m.sh("ann", "falcred service stop")
	for _, command := range []string{"falcred doctor", "FALCRED_AUTOSTART=0 falcred status"} {
		m.is("ann", command+" | grep -q 'start it: falcred service start' && echo named", "named")
	}
	m.is("root", "su - ann -c 'falcred doctor' | grep -c 'falcred.service (systemd) is installed and does not run'", "1")
	m.sh("ann", "falcred service start")
	m.is("root", "su - ann -c 'falcred doctor' | grep -c 'falcred.service (systemd) runs, and goes on when you log out'", "1")
}

// looksFirst: what would end the service at each start is told before anything is written.
func (m *installed) looksFirst() {
	m.Helper()
	m.is("ann", "falcred service status 2>&1 || echo $?", "falcred: no service is installed for /home/ann/.fal\nto install it: falcred service install\n4")
	m.is("ann", "falcred doctor | grep -c 'service     none installed'", "1")
	for line, want := range map[string]string{
		"FALCRED_ISSUER=nonsense":               "FALCRED_ISSUER is not an issuer URL",
		"FALCRED_ISSUER=https://id.example.com": "this home holds logins of https://auth.fal.ai/",
		"this is no line":                       "is not KEY=VALUE",
	} {
		m.sh("ann", "cp -p .fal/falcred.env kept; echo '"+line+"' >>.fal/falcred.env")
		m.is("ann", "falcred service install 2>&1 | grep -c '"+want+"'; find .config/systemd | grep falcred || true", "1")
		m.sh("ann", "mv kept .fal/falcred.env")
	}
	// A home of another issuer, whose name only this shell knows.
	m.sh("ann", "umask 077; mkdir theirs; echo '{\"Issuer\":\"https://id.example.com\"}' >theirs/falcred.json")
	m.is("ann", "FAL_HOME_DIR=$HOME/theirs FALCRED_ISSUER=https://id.example.com falcred service install 2>&1 | grep -c 'FALCRED_ISSUER=https://id.example.com. >>/home/ann/theirs/falcred.env'; find .config/systemd | grep falcred || true", "1")
	m.sh("ann", "rm -r theirs")
}

// misledLater: a mistake made after the installation is told to each who asks, and starts the
// service a few times, not for ever (S11).
func (m *installed) misledLater() {
	m.Helper()
	m.sh("ann", "cp -p .fal/falcred.env kept; echo FALCRED_ISSUER=nonsense >>.fal/falcred.env; falcred service restart || true")
	m.sh("ann", "for i in $(seq 20); do echo https://fal.run | docker-credential-fal get 2>&1 | grep -c 'FALCRED_ISSUER is not an issuer URL' >>told || true; done")
	m.is("ann", "grep -c 1 told", "20")
	starts := m.sh("ann", "systemctl --user show -P NRestarts falcred.service")
	m.is("ann", "falcred doctor | grep -q 'FALCRED_ISSUER is not an issuer URL' && echo told", "told")
	m.sh("ann", "rm told; mv kept .fal/falcred.env; falcred service restart")
	m.answered("ann")
	m.Logf("20 gets of a misled service: all told, %s restarts", starts)
}

// unpack puts the two programs into a folder, as their owner's.
func (m *installed) unpack(folder string) {
	m.Helper()
	m.sh("root", "dpkg-deb -x /opt/new.deb /opt/new; mkdir -p "+folder+"; cp /opt/new/usr/bin/* "+folder)
}

// secondHome is a second service, and leaves the first alone.
func (m *installed) secondHome() {
	refresh, _, _ := m.issuer.Login("auth0|ann at work")
	m.sh("ann", "umask 077; mkdir 'my work'; cp .fal/falcred.env 'my work'; printf %s '"+refresh+"' >'my work/auth0_token'")
	const work = "export FAL_HOME_DIR=$HOME/'my work'; "
	m.sh("ann", work+"falcred service install")
	m.sh("ann", work+asked)
	m.daemons(2)
	m.is("ann", work+"falcred doctor | grep -c '(systemd) runs, and goes on'", "1")
	m.sh("ann", work+"falcred service status >/dev/null; falcred service uninstall")
	m.daemons(1)
	m.answered("ann")
}

// bySystemCommand serves a user who never logs in. The token file is a link
// (F2), and the home is not under /home.
func (m *installed) bySystemCommand() {
	m.unpack("/usr/local/bin")
	m.sh("root", "useradd --create-home --home-dir /srv2/bob --shell /bin/sh bob; mkdir -m 700 /data; chown bob: /data")
	refresh, _, _ := m.issuer.Login("auth0|bob")
	m.sh("root", "cd /srv2/bob; mkdir -m 700 .fal; echo SSL_CERT_FILE=/srv/ca.pem >.fal/falcred.env; printf %s '"+refresh+
		"' >/data/token; chmod 600 /data/token; ln -s /data/token .fal/auth0_token; chown -R bob: .fal /data/token")
	// What others than root can change is not run for everybody.
	m.sh("root", "mkdir -m 777 /opt/open; cp /opt/new/usr/bin/* /opt/open; mkdir /opt/bobs; cp /opt/new/usr/bin/* /opt/bobs; chown bob: /opt/bobs/falcred")
	for _, folder := range []string{"/opt/open", "/opt/bobs"} {
		m.is("root", folder+"/falcred service install --system --run-as bob 2>&1 | grep -c 'users other than root can change'", "1")
	}
	m.is("root", "find /etc/systemd -name '*falcred*'", "")
	said := m.sh("root", "falcred service install --system --run-as bob 2>&1")
	if strings.Contains(said, "may still run") { // he has no manager
		m.Error(said)
	}
	pid := m.sh("root", "systemctl show -P MainPID falcred@bob.service")
	m.sh("bob", asked)
	m.is("root", "stat -c %U /proc/"+pid+"/environ", "root") // not dumpable (S4)
	m.is("root", "awk '/^Uid:/ {print $2, $3, $4, $5}' /proc/"+pid+"/status", m.sh("bob", `u=$(id -u); echo $u $u $u $u`))
	m.eventually("the refresh has reached the link's target", func() bool { return m.sh("root", "head -n 1 /data/token") != refresh })
	m.is("bob", "readlink .fal/auth0_token", "/data/token")
	m.sh("root", "kill -9 "+pid)
	m.sh("bob", asked) // by a helper's daemon, until the service is back
	m.eventually("the service is back", func() bool {
		now := m.sh("root", "systemctl show -P MainPID falcred@bob.service")
		return now != "0" && now != pid && m.try("root", "systemctl is-active falcred@bob.service") == nil
	})
	m.oneIsLeft()
	m.reboot()
	m.is("root", "systemctl is-active falcred@bob.service", "active")
	m.sh("bob", asked)
	m.alive("bob")
	m.sh("root", "falcred service status --system --run-as bob >/dev/null; falcred service uninstall --system --run-as bob")
	m.is("root", "find /etc/systemd -name '*falcred*'", "")
	m.daemons(0)
}

// inTheJournal wants what happened to be found by its fields and its priority.
func (m *installed) inTheJournal(said string) {
	m.Helper()
	for _, field := range []string{"FALCRED_EVENT=started", "FALCRED_EVENT=refreshed", "FALCRED_ACCOUNT=auth0|ann", "SYSLOG_IDENTIFIER=falcred"} {
		if !strings.Contains(said, "\n"+field+"\n") {
			m.Errorf("the journal has no %s", field)
		}
	}
	m.is("root", "journalctl --no-pager -q -o cat -p warning FALCRED_EVENT=refreshed | wc -l", "0")
	m.is("root", "journalctl --no-pager -q -o cat FALCRED_EVENT=refreshed | grep -c time= || true", "0")
}
