//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// installed is a machine with an issuer, and with users who are never logged in.
type installed struct {
	*machine
	issuer *idp.Provider
}

const (
	// asked is a request that must be answered; nobody looks at the answer.
	asked = "docker-credential-fal token >/dev/null"
	// servedBy and versionServed are the number and the version of the daemon that answers.
	servedBy      = `falcred status --json | sed -n 's/.*"PID": \([0-9]*\).*/\1/p'`
	versionServed = `falcred status --json | sed -n 's/.*"Version": "\(.*\)".*/\1/p'`
)

// needMachines is for a test that boots one.
func needMachines(t *testing.T) {
	t.Helper()
	testkit.NeedTool(t, "systemd-nspawn")
	testkit.NeedTool(t, "debootstrap")
	testkit.NeedTool(t, "nsenter")
	testkit.NeedRoot(t) // for a container
}

// newInstalled is not booted yet. It reaches the issuer by what runs forward.
func newInstalled(t *testing.T, init initSystem) *installed {
	t.Helper()
	m := &installed{machine: newMachine(t, init)}
	m.issuer = serveIssuer(t, m.shared)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(m.shared, "forward"), "./testdata/forward")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	m.write("etc/hosts", "127.0.0.1 localhost auth.fal.ai\n")
	return m
}

func (m *installed) write(name, text string) {
	m.Helper()
	write(m.T, m.root, name, text)
}

// step says where a failure belongs, and how far it came.
func (m *installed) step(name string, do func()) {
	m.Helper()
	do()
	m.Logf("%s: passed", name)
}

// addUser makes a user with a login as `fal auth login` leaves it.
func (m *installed) addUser(name string) {
	m.Helper()
	m.sh("root", "useradd --create-home --shell /bin/sh "+name)
	refresh, _, _ := m.issuer.Login("auth0|" + name)
	m.sh(name, "umask 077; mkdir -p .fal; echo SSL_CERT_FILE=/srv/ca.pem >.fal/falcred.env; printf %s '"+refresh+"' >.fal/auth0_token")
}

// alive wants the login in that user's file to be alive.
func (m *installed) alive(user string) {
	m.Helper()
	if refresh := m.sh(user, "head -n 1 .fal/auth0_token"); !m.issuer.Alive(refresh) {
		m.Fatalf("%s's login is lost\n%s", user, m.journal())
	}
}

// credential wants one by the helper.
func (m *installed) credential(user string) {
	m.Helper()
	got := m.sh(user, `echo https://fal.run | docker-credential-fal get`)
	if !strings.Contains(got, `"Username":"Bearer"`) {
		m.Fatalf("no credential: %s", got)
	}
}

// countDaemons says how many of them there are in the whole machine.
const countDaemons = "grep -lx falcred /proc/[0-9]*/comm 2>/dev/null | wc -l"

// daemons wants so many.
func (m *installed) daemons(want int) {
	m.Helper()
	m.is("root", countDaemons, strconv.Itoa(want))
}

// oneIsLeft wants one, where another makes way for it: that one gives the lock back before its process
// ends.
func (m *installed) oneIsLeft() {
	m.Helper()
	m.eventually("the other daemon has ended", func() bool { return m.sh("root", countDaemons) == "1" })
}

// underLoad does something while 50 clients of ann's ask as fast as they can, and returns
// what they were told by errors.
func (m *installed) underLoad(variable string, do func()) (errors string) {
	m.Helper()
	m.sh("ann", "rm -rf load; mkdir load; export "+variable+`
for i in $(seq 50); do
	(n=0; while [ ! -e load/stop ]; do n=$((n+1)); docker-credential-fal token >/dev/null 2>>load/errors || echo failed >>load/errors; done; echo $n >>load/counts) >/dev/null 2>&1 &
done
until [ -e load/counted ]; do [ $(docker-credential-fal token | wc -l) = 1 ] && touch load/counted; done`)
	do()
	m.sh("ann", "touch load/stop")
	m.eventually("all have stopped", func() bool { return m.sh("ann", "cat load/counts 2>/dev/null | wc -l") == "50" })
	errors = m.sh("ann", "cat load/errors")
	m.Logf("50 clients asked %s times, %d errors", m.sh("ann", "awk '{n+=$1} END {print n}' load/counts"), strings.Count(errors, "failed"))
	return errors
}

// token is the form of the issuer's refresh tokens, and of JWTs.
var token = regexp.MustCompile(`v1\.[A-Z2-7]{20}|eyJ[A-Za-z0-9_-]{20}`)

// refreshed is what syslog, and the journal, have of a refresh.
var refreshed = regexp.MustCompile(`msg=refreshed|\nMESSAGE=refreshed `)

// secretFree looks through all that any program has said since the first boot (R12), where
// mark stands in each entry of falcred's.
func (m *installed) secretFree(said, mark string) {
	m.Helper()
	refresh, access, _ := m.issuer.Login("auth0|nobody")
	if !token.MatchString(refresh) || !token.MatchString(access) {
		m.Fatal("the forms of tokens are others by now")
	}
	entries := strings.Count(said, mark)
	if entries < 20 || !refreshed.MatchString(said) {
		m.Fatalf("the log has %d entries of falcred: nothing is tested", entries)
	}
	if found := token.FindString(said); found != "" {
		m.Errorf("the log holds %s…", found[:8])
	}
	m.Logf("%d entries of falcred, %d KiB of log", entries, len(said)>>10)
}

// nothingLost wants the issuer to have seen no login end.
func (m *installed) nothingLost() {
	m.Helper()
	if stats := m.issuer.Stats(); stats.ReuseDetections+stats.FamiliesRevoked != 0 {
		m.Errorf("logins were lost: %+v", stats)
	}
	m.Logf("the issuer saw %+v", m.issuer.Stats())
}
