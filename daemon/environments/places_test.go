//go:build linux && system

package environments

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// command runs one of root's.
func (w *world) command(name string, args ...string) string {
	w.Helper()
	table.NeedTool(w.T, w.Name(), name)
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		w.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// needMounts wants the private mount namespace of TestMain.
func (w *world) needMounts() {
	w.Helper()
	if !testkit.MayMount() {
		table.Missing(w.T, w.Name(), "root, and a mount namespace of its own")
	}
}

// mount has the home on a file system of its own.
func mount(w *world, kind, source, options string) {
	w.Helper()
	w.needMounts()
	w.Must(os.MkdirAll(w.Home, 0o700))
	w.command("mount", "-t", kind, "-o", strings.Trim("rw,"+options, ","), source, w.Home)
	w.unmountLater(w.Home)
	w.Must(os.Chmod(w.Home, 0o700))
	w.owns(w.Home)
}

func (w *world) unmountLater(path string) {
	w.Cleanup(func() {
		w.killAll()
		unix.Unmount(path, unix.MNT_DETACH)
	})
}

// image is an ext4 of 4 MiB, without room for root alone.
func image(w *world) string {
	w.Helper()
	path := filepath.Join(w.Base, "image")
	w.Must(os.WriteFile(path, nil, 0o600))
	w.Must(os.Truncate(path, 4<<20))
	w.command("mkfs.ext4", "-q", "-m", "0", path)
	return path
}

// liveOnExt4 is live, beside what every ext4 has.
func liveOnExt4(w *world) {
	w.Must(os.Remove(filepath.Join(w.Home, "lost+found")))
	live(w)
}

// fill takes the last byte of the home's file system.
func fill(w *world) {
	w.Helper()
	os.Remove(filepath.Join(w.Home, "lost+found"))
	filler, err := os.Create(filepath.Join(w.Home, "filler"))
	w.Must(err)
	defer filler.Close()
	chunk := make([]byte, 4096)
	for len(chunk) > 0 {
		for err == nil {
			_, err = filler.Write(chunk)
		}
		if !errors.Is(err, unix.ENOSPC) {
			w.Fatal(err)
		}
		chunk, err = chunk[:len(chunk)/2], filler.Sync()
	}
}

// readOnly has the home read-only, as a container's volume can be.
func readOnly(w *world) {
	w.Helper()
	w.needMounts()
	w.command("mount", "--bind", w.Home, w.Home)
	w.unmountLater(w.Home)
	w.command("mount", "-o", "remount,bind,ro", w.Home)
}

// overlay has the home on an overlayfs, over a home that was there before.
func overlay(w *world) {
	w.Helper()
	w.needMounts()
	disk := w.folder("disk")
	w.command("mount", "-t", "tmpfs", "none", disk)
	w.unmountLater(disk)
	for _, name := range []string{"lower", "upper", "work"} {
		w.Must(os.Mkdir(filepath.Join(disk, name), 0o700))
	}
	w.owns(disk)
	mount(w, "overlay", "none", fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", disk))
}

// fuse starts the program behind a FUSE mount, in the foreground, and waits for the mount.
func (w *world) fuse(at string, command ...string) {
	w.Helper()
	w.needMounts()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		table.Missing(w.T, w.Name(), "/dev/fuse")
	}
	table.NeedTool(w.T, w.Name(), command[0])
	w.Must(os.MkdirAll(at, 0o700))
	cmd := w.Start(exec.Command(command[0], command[1:]...))
	w.Cleanup(func() {
		w.killAll()
		unix.Unmount(at, unix.MNT_DETACH)
		cmd.Process.Kill()
	})
	w.Eventually("the FUSE is mounted", func() bool {
		var stat unix.Statfs_t
		return unix.Statfs(at, &stat) == nil && stat.Type == unix.FUSE_SUPER_MAGIC
	})
}

// bindfs shows a folder at another place, as a network file system does: with locks that all
// who mount it share.
func bindfs(w *world, disk, at string) {
	w.Helper()
	w.owns(disk)
	w.fuse(at, "bindfs", "-f", "--enable-lock-forwarding", "--multithreaded", "-o", "allow_other,default_permissions", disk, at)
}

func fuseOverlay(w *world) {
	w.Helper()
	disk := w.folder("disk")
	for _, name := range []string{"lower", "upper", "work"} {
		w.Must(os.Mkdir(filepath.Join(disk, name), 0o700))
	}
	w.fuse(w.Home, "fuse-overlayfs", "-f", "-o", fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", disk), w.Home)
}

// inGroup has every program in a cgroup of that limit.
func inGroup(w *world, controller, file, value string) []string {
	w.Helper()
	testkit.NeedRoot(w.T)
	w.Must(os.MkdirAll(w.Base, 0o700))
	parent := "/sys/fs/cgroup/" + controller // version 1
	if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err != nil {
		parent = "/sys/fs/cgroup"
	}
	group := filepath.Join(parent, filepath.Base(w.Base))
	if err := os.Mkdir(group, 0o755); err != nil {
		table.Missing(w.T, w.Name(), "a cgroup of its own: "+err.Error())
	}
	w.Cleanup(func() {
		w.killAll()
		testkit.Within(time.Second, func() bool { return os.Remove(group) == nil })
	})
	if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0); err != nil {
		table.Missing(w.T, w.Name(), "the cgroup controller "+controller)
	}
	return []string{"sh", "-c", `echo $$ >"$0"/cgroup.procs; exec "$@"`, group}
}

// slowly gives 5 ms of each 100.
func slowly(w *world) []string {
	w.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/cpu/cgroup.procs"); err == nil {
		return inGroup(w, "cpu", "cpu.cfs_quota_us", "5000")
	}
	return inGroup(w, "cpu", "cpu.max", "5000 100000")
}

// hidden has no process of others in /proc.
func hidden(w *world) {
	w.Helper()
	w.needMounts()
	inside := w.Start(exec.Command("unshare", "--mount", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc && echo ready && exec sleep infinity"))
	w.enter(inside, "--mount")
	w.Eventually("/proc is hidden", func() bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", inside.Process.Pid))
		return strings.Contains(string(data), "hidepid=")
	})
}

// enter has every program in namespaces of that process.
func (w *world) enter(inside *exec.Cmd, namespaces ...string) {
	w.Helper()
	uid := w.uid
	w.wrap = append(append(need(w, "nsenter", "--target", strconv.Itoa(inside.Process.Pid)), namespaces...),
		"setpriv", fmt.Sprint("--reuid=", uid), fmt.Sprint("--regid=", uid), "--clear-groups")
	w.uid = os.Getuid() // until then root
	w.Cleanup(func() { w.uid = uid })
}

// machine is the same world, seen from another machine: its own name, its own mount of the
// disk, its own runtime folder.
func (w *world) machine(name, disk string) *world {
	w.Helper()
	house := *w.House
	m := &world{House: &house, uid: w.uid, wrap: need(w, "unshare", "--uts", "sh", "-c", `hostname "$0" && exec "$@"`, name)}
	m.MoveTo(filepath.Join(w.Base, name))
	bindfs(m, disk, m.Home)
	m.runtime = w.folder("run-" + name)
	w.Cleanup(m.killAll)
	return m
}

// twoMachines share a network home, and each has a helper that starts a daemon.
func twoMachines(w *world) {
	disk := w.folder("disk")
	a, b := w.machine("first", disk), w.machine("second", disk)
	a.logIn()
	a.wantServed()
	b.wantRotated(b.wantServed()) // one is all that clients of a home can force in 5 minutes
	if a.serving() == b.serving() {
		w.Error("one daemon serves both")
	}
	a.wantRotatedAfter(b)
	b.kill(syscall.SIGKILL)
	access := b.wantServed()
	a.wantServed()
	refresh, _, err := a.Tokens()
	w.Must(err)
	if !w.IDP.Alive(refresh) || access == "" || w.IDP.Stats().ReuseDetections != 0 {
		w.Error("the login was lost")
	}
	if o := b.run("", "falcred", "logout"); o.code != 0 {
		w.Fatalf("logout: %s", o)
	}
	for _, m := range []*world{a, b} {
		m.kill(syscall.SIGTERM)
		m.wantNothingLeft()
	}
}

// wantRotatedAfter wants what another machine's daemon has written to be served by this one's,
// within a minute at most: no event crosses a network.
func (w *world) wantRotatedAfter(other *world) {
	w.Helper()
	_, access, err := other.Tokens()
	w.Must(err)
	old, _ := w.get("")
	got, o := w.get(old) // which looks at the file before it asks for anything
	if got != access && old != access {
		w.Errorf("what the other machine wrote is not served: %s", o)
	}
}

// oneMachineAway: the home's own socket is all there is, and the first machine has it.
func oneMachineAway(w *world) {
	disk := w.folder("disk")
	a, b := w.machine("first", disk), w.machine("second", disk)
	a.runtime, b.runtime = "", ""
	a.logIn()
	a.wantServed()
	o := b.run("", "falcred", "run")
	if o.code == 0 || o.took > promptly || !strings.Contains(o.err, `on the machine "first"`) || !strings.Contains(o.err, "XDG_RUNTIME_DIR") {
		w.Errorf("the second machine: %s", o)
	}
	a.kill(syscall.SIGTERM)
	a.wantNothingLeft("auth0_token")
}

// twoPIDNamespaces share a home, as two containers do.
func twoPIDNamespaces(w *world) {
	w.needMounts()
	var rooms [2]*world
	for i := range rooms {
		house := *w.House
		rooms[i] = &world{House: &house, uid: w.uid}
		init := w.Start(exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"))
		var child string
		w.Eventually("the namespace has its first process", func() bool {
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", init.Process.Pid))
			child = strings.TrimSpace(string(data))
			name, _ := os.ReadFile("/proc/" + child + "/comm")
			return child != "" && strings.TrimSpace(string(name)) == "sleep"
		})
		rooms[i].wrap = need(w, "nsenter", "--target", child, "--pid", "--mount")
		w.Cleanup(rooms[i].killAll)
	}
	a, b := rooms[0], rooms[1]
	a.logIn()
	b.wantRotated(a.wantServed())
	if a.serving() != b.serving() || len(a.daemons) != 1 {
		w.Error("two daemons serve")
	}
	if o := b.run("", "falcred", "run"); o.code == 0 || !strings.Contains(o.err, "already running") || !strings.Contains(o.err, "in another container") {
		w.Errorf("a second daemon: %s", o)
	}
	a.kill(syscall.SIGKILL)
	b.wantServed()
	a.wantServed()
	if o := a.run("", "falcred", "logout"); o.code != 0 {
		w.Fatalf("logout: %s", o)
	}
	b.kill(syscall.SIGTERM)
	a.wantNothingLeft()
	b.wantNothingLeft()
}

// otherNetwork: a path is no address of a network.
func otherNetwork(w *world) {
	w.logIn()
	access := w.wantServed()
	w.wrap = need(w, "unshare", "--net")
	if got, o := w.get(""); got != access {
		w.Errorf("from another network: %s", o)
	}
	w.kill(syscall.SIGTERM)
	w.wantNothingLeft("auth0_token")
}
