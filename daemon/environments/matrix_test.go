//go:build linux && system

package environments

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/protocol/env"
)

// cell is an environment, and what a login's life is like in it.
type cell struct {
	name    string
	prepare func(w *world)
	life    func(w *world)
	came    string // of it, for the table
}

const whole = "log in, start on demand, get, refresh, kill -9, get, log out"

// homes: what a home can be called, and where it can lie (§3, F6, S2).
var homes = []cell{
	{"a plain home", func(*world) {}, live, ""},
	{"spaces, umlauts, quotes, emoji", func(w *world) { w.MoveTo(filepath.Join(w.Base, `so "ein' $(schönes) 🔑 \heim`)) }, live, ""},
	{"a socket's path of 107 bytes", func(w *world) { w.MoveTo(long(w, 107-len("/falcred.sock"))) }, live, ""},
	{"a link to the home", func(w *world) {
		w.Must(os.Symlink(w.folder("real"), filepath.Join(w.Base, "link")))
		w.MoveTo(filepath.Join(w.Base, "link"))
	}, live, ""},
	{"the token file is a link", func(w *world) {
		w.Must(os.Mkdir(w.Home, 0o700))
		w.Must(os.Symlink(filepath.Join(w.folder("elsewhere"), "login"), w.File))
	}, linked, ""},
	{"HOME is unset", func(w *world) { w.vars = []string{"HOME"} }, live, ""},
	{"HOME is empty", func(w *world) { w.vars = []string{"HOME="} }, live, ""},
	{"read-only, with XDG_RUNTIME_DIR", func(w *world) { w.runtimeFolder(); w.write(); readOnly(w) }, serveOnly("read-only"), "served; no refresh, and why"},
}

// long is a home of that many bytes.
func long(w *world, n int) string {
	path := w.Base
	for n-len(path) > 100 {
		path = filepath.Join(path, strings.Repeat("x", 48))
		w.Must(os.MkdirAll(path, 0o700))
	}
	return filepath.Join(path, strings.Repeat("y", n-len(path)-1))
}

// linked is live, with a link that stays.
func linked(w *world) {
	w.logIn()
	w.wantRotated(w.wantServed())
	if info, err := os.Lstat(w.File); err != nil || info.Mode()&os.ModeSymlink == 0 {
		w.Error("the link was replaced")
	}
	w.kill(9)
	w.wantServed()
	if o := w.run("", "falcred", "logout"); o.code != 0 {
		w.Fatalf("logout: %s", o)
	}
	w.kill(15)
	w.wantNothingLeft(env.TokenFile)
}

const (
	nameless = 12345 // has no line in passwd(5)
	named    = 1     // daemon(1) of every Debian
	nobody   = 65534
)

// users: who lives there (S3, F6).
var users = []cell{
	{"a user without a name", func(w *world) { w.as(nameless) }, live, ""},
	{"an ordinary user", func(w *world) { w.as(named) }, live, ""},
	{"nobody (65534)", func(w *world) { w.as(nobody) }, live, ""},
	{"root of a user namespace", func(w *world) { w.as(nameless); w.wrap = need(w, "unshare", "--user", "--map-root-user") }, live, ""},
	{"a user namespace without a map", func(w *world) { w.as(nameless); w.wrap = need(w, "unshare", "--user") },
		refused("user namespace"), "nothing starts, and why"},
}

// need is a command, whose program the machine must have.
func need(w *world, command ...string) []string {
	w.Helper()
	table.NeedTool(w.T, w.Name(), command[0])
	return command
}

// limits: what the system grants (S6, R4, F6).
var limits = []cell{
	{"12 open files", func(w *world) { w.wrap = need(w, "prlimit", "--nofile=12") }, refused("ulimit -n"), "nothing starts, and why"},
	{"14 open files", func(w *world) { w.wrap = need(w, "prlimit", "--nofile=14") }, refused("ulimit -n"), "nothing starts, and why"},
	{"64 open files", func(w *world) { w.wrap = need(w, "prlimit", "--nofile=64") }, live, ""},
	{"files of 64 KiB", func(w *world) { w.write(); w.wrap = need(w, "prlimit", "--fsize=65536") }, serveOnly("ulimit -f"), "served; no refresh, and why"},
	{"900 MiB of address space", func(w *world) { w.wrap = need(w, "prlimit", fmt.Sprint("--as=", 900<<20)) }, refused("ulimit -v"), "nothing starts, and why"},
	{"600 MiB of address space", func(w *world) { w.wrap = need(w, "prlimit", fmt.Sprint("--as=", 600<<20)) }, refused(noMemory), "no Go program starts: its runtime's words"},
	{"no processes left (RLIMIT_NPROC)", func(w *world) { w.as(23456); w.wrap = need(w, "prlimit", "--nproc=20") }, refused("ulimit -u"), "nothing starts, and why"},
	{"no processes left (pids.max)", func(w *world) { w.wrap = inGroup(w, "pids", "pids.max", "20") }, refused("pids.max"), "nothing starts, and why"},
	{"umask 0", func(w *world) { w.as(nameless); w.wrap = umask("0") }, live, ""},
	{"umask 077", func(w *world) { w.as(nameless); w.wrap = umask("077") }, live, ""},
	{"umask 777", func(w *world) { w.as(nameless); w.wrap = umask("777") }, live, ""},
	{"files that a umask of 777 has left", func(w *world) {
		w.as(nameless)
		w.Must(os.Mkdir(w.Home, 0o700))
		for _, name := range meant {
			if name != "falcred.json" { // which would hold something
				w.Must(os.WriteFile(filepath.Join(w.Home, name), nil, 0))
			}
		}
		w.owns(w.Home)
	}, live, ""},
	{"no inotify", func(w *world) {
		w.as(nameless)
		w.wrap = append(need(w, "unshare", "--user", "--map-root-user"), "sh", "-c", `echo 0 >/proc/sys/user/max_inotify_instances; exec "$@"`, "-")
	}, live, ""},
	{"a twentieth of a processor", func(w *world) { w.wrap = slowly(w); w.slow = true }, live, ""},
}

func umask(mode string) []string { return []string{"sh", "-c", "umask " + mode + `; exec "$@"`, "-"} }

// fileSystems: what a home can lie on (§3, F1, R4, S1).
var fileSystems = []cell{
	{"tmpfs", func(w *world) { mount(w, "tmpfs", "none", "") }, live, ""},
	{"tmpfs of 16 inodes", func(w *world) { mount(w, "tmpfs", "none", "nr_inodes=16") }, live, ""},
	{"noexec, nosuid, nodev", func(w *world) { mount(w, "tmpfs", "none", "noexec,nosuid,nodev") }, live, ""},
	{"ext4", func(w *world) { mount(w, "ext4", image(w), "loop") }, liveOnExt4, ""},
	{"ext4, full at the first start", func(w *world) { mount(w, "ext4", image(w), "loop"); w.write(); fill(w) }, serveOnly("no space left"), "served; no refresh, and why"},
	{"tmpfs, full at the first start", func(w *world) { mount(w, "tmpfs", "none", "size=64k"); w.write(); fill(w) }, serveOnly("no space left"), "served; no refresh, and why"},
	{"no inode left at the first start, with XDG_RUNTIME_DIR", func(w *world) {
		w.runtimeFolder()
		mount(w, "tmpfs", "none", "nr_inodes=2")
		w.write()
	}, serveOnly("no space left"), "served; no refresh, and why"},
	{"no inode left at the first start", func(w *world) { mount(w, "tmpfs", "none", "nr_inodes=2") }, refused("no space left"), "nothing starts, and why"},
	{"overlayfs", overlay, live, ""},
	{"FUSE, with XDG_RUNTIME_DIR", func(w *world) { w.runtimeFolder(); bindfs(w, w.folder("disk"), w.Home) }, live, ""},
	{"FUSE, without", func(w *world) { bindfs(w, w.folder("disk"), w.Home) }, live, ""},
	{"FUSE (fuse-overlayfs)", fuseOverlay, live, ""},
	{"a network home, two machines", func(*world) {}, twoMachines, "each serves from its own folder; 0 logins lost"},
	{"a network home, two machines, one without XDG_RUNTIME_DIR", func(*world) {}, oneMachineAway, "the second is told of the first"},
	{"hidepid", func(w *world) {
		w.as(nameless)
		w.wrap = nil
		hidden(w)
	}, live, ""},
	{"two PID namespaces, one home", func(*world) {}, twoPIDNamespaces, "one serves both"},
	{"another network namespace asks", func(*world) {}, otherNetwork, "served through the path"},
	{"a network namespace with nothing in it", func(w *world) { w.write(); w.wrap = need(w, "unshare", "--net") }, serveOnly("network is unreachable"), "served; no refresh, and why"},
}

// pairs are values that have met in the field, where one alone would not have shown it:
//
//   - containers have users without a name and without HOME, often in few processes;
//   - a full disk leaves what was begun, and a umask what nobody can open: both keep a file in the way;
//   - FUSE mounts are made by one user for another, whom locks and modes must still be right for;
//   - a rootless container is a user namespace over overlayfs;
//   - with few inodes and no inotify, what is temporary and what is watched compete.
var pairs = []cell{
	{"nobody, 64 open files, umask 777", func(w *world) { w.as(nobody); w.wrap = append(need(w, "prlimit", "--nofile=64"), umask("777")...) }, live, ""},
	{"FUSE and an ordinary user", func(w *world) {
		w.as(nameless)
		w.runtimeFolder()
		bindfs(w, w.folder("disk"), w.Home)
	}, live, ""},
	{"overlayfs and root of a user namespace", func(w *world) {
		w.as(nameless)
		overlay(w)
		w.wrap = need(w, "unshare", "--user", "--map-root-user")
	}, live, ""},
	{"a full disk and umask 777", func(w *world) {
		w.as(nameless)
		mount(w, "tmpfs", "none", "size=64k")
		w.write()
		fill(w)
		w.wrap = umask("777")
	}, serveOnly("no space left"), "served; no refresh, and why"},
	{"16 inodes and no inotify", func(w *world) {
		w.as(nameless)
		mount(w, "tmpfs", "none", "nr_inodes=16")
		w.wrap = append(need(w, "unshare", "--user", "--map-root-user"), "sh", "-c", `echo 0 >/proc/sys/user/max_inotify_instances; exec "$@"`, "-")
	}, live, ""},
	{"a read-only home and HOME unset", func(w *world) {
		w.as(named)
		w.runtimeFolder()
		w.write()
		readOnly(w)
		w.vars = []string{"HOME"}
	}, serveOnly("read-only"), "served; no refresh, and why"},
}

// §3, §5, F1, F6, R4, S1, S2, S3, S6: a login lives in every one of these places, or it is
// said what forbids it.
func TestEnvironments_S6(t *testing.T) {
	for axis, cells := range map[string][]cell{"home": homes, "user": users, "limit": limits, "file system": fileSystems, "pair": pairs} {
		for _, c := range cells {
			t.Run(axis+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				c.prepare(w)
				c.life(w)
				tried, came := whole, "all of it; nothing left behind"
				if c.came != "" {
					tried, came = "the same, as far as it goes", c.came
				}
				table.Report(t, axis+": "+c.name, tried, came)
			})
		}
	}
}
