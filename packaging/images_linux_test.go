//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// initSystem is what differs between machines by their first process.
type initSystem struct {
	image  string                          // its name in the cache
	fill   func(t *testing.T, root string) // makes the image
	nspawn []string                        // more options
	booted string                          // a script that succeeds once all has started
	said   string                          // a script that prints the last that falcred and its managers have said
}

// forward is what reaches the issuer from within, and is started with the machine.
const forward = "/srv/forward 127.0.0.1:443 /srv/issuer"

var systemd = initSystem{
	image: "bookworm-1",
	fill: func(t *testing.T, root string) {
		debootstrap(t, root, "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd")
	},
	booted: "systemctl is-system-running --wait || systemctl is-system-running | grep -q degraded",
	said:   "journalctl --no-pager -n 40 -o cat _COMM=falcred + _COMM=systemd",
}

var sysvinit = initSystem{
	image: "bookworm-sysvinit-1",
	fill: func(t *testing.T, root string) {
		debootstrap(t, root, "sysvinit-core,sysv-rc,busybox-syslogd")
		output(t, "chroot", root, "update-rc.d", "busybox-klogd", "remove") // the kernel is another's
		write(t, root, "etc/default/busybox-syslogd", `SYSLOG_OPTS="-O `+syslog+`"`+"\n")
		write(t, root, "etc/inittab", `id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/rc 0
l2:2:wait:/etc/init.d/rc 2
l6:6:wait:/etc/init.d/rc 6
ca::ctrlaltdel:/sbin/init 0
is:2:respawn:`+forward+`
up:2:once:/bin/touch /run/booted
`)
	},
	nspawn: []string{"--kill-signal=SIGINT"}, // to init it is Ctrl-Alt-Del
	booted: "test -e /run/booted",
	said:   "tail -n 40 " + syslog,
}

// openrc is sysvinit, which has OpenRC start and stop the services: so Debian ships it.
var openrc = initSystem{
	image: "bookworm-openrc-1",
	fill: func(t *testing.T, root string) {
		// debootstrap takes the first of a dependency's alternatives, which is not OpenRC.
		output(t, "cp", "-a", "--reflink=auto", debian(t, sysvinit)+"/.", root)
		write(t, root, "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n") // nothing starts here
		output(t, "chroot", root, "sh", "-ec", `chmod 755 /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends openrc
rm /usr/sbin/policy-rc.d`)
		slim(t, root)
	},
	nspawn: sysvinit.nspawn,
	booted: sysvinit.booted,
	said:   sysvinit.said,
}

// syslog is where the two write to.
const syslog = "/var/log/messages"

// debian makes the image once for a user of this computer.
func debian(t *testing.T, init initSystem) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(cache, "falcred-test", init.image)
	if _, err := os.Stat(image); err == nil {
		return image
	}
	if err := os.MkdirAll(filepath.Dir(image), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(image), "new")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	init.fill(t, fresh)
	// Where two made one at a time, either is good.
	if err := os.Rename(fresh, image); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	if err := os.Chmod(image, 0o755); err != nil {
		t.Fatal(err)
	}
	return image
}

// debootstrap takes the mirror that this computer's own apt uses.
func debootstrap(t *testing.T, root, packages string) {
	t.Helper()
	sites := strings.Fields(output(t, "apt-get", "indextargets", "--format", "$(SITE)", "Codename: bookworm", "Created-By: Packages", "Component: main", "Origin: Debian"))
	if len(sites) == 0 {
		testkit.Missing(t, "an apt that knows a mirror of bookworm")
	}
	output(t, "debootstrap", "--variant=minbase", "--include="+packages, "bookworm", root, sites[0])
	slim(t, root)
}

// slim takes away what nothing reads: each machine is a copy.
func slim(t *testing.T, root string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", "rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/*")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// write makes a file in another root folder.
func write(t *testing.T, root, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
