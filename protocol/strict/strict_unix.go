//go:build unix

package strict

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// With nonblock no FIFO or device of that name holds us; with noFollow no link leads elsewhere
// either.
const (
	nonblock = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW | nonblock
)

// OwnerMask has this process keep its own rights to all that it makes from now on, whatever
// the umask: 777 would have it make files that it cannot open again. What the umask takes
// from others stays taken.
func OwnerMask() { syscall.Umask(syscall.Umask(0o077) &^ 0o700) }

func isLink(info fs.FileInfo) bool { return info.Mode().Type() == fs.ModeSymlink }

// changeable is false: a link of Unix is replaced, never changed, and its mode says nothing.
func changeable(fs.FileInfo) bool { return false }

// Withdraw is how a person takes everybody else's right to write a path, or a group's.
func Withdraw(who, path string) string { return "chmod " + who + "-w " + path }

// euid is our effective user, who stays the same: nothing here is setuid.
var euid = os.Geteuid()

// Ours says whether a file or folder belongs to our effective user.
func Ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == euid
}

// overflow is the number that Linux gives to all who have none in our user
// namespace: root outside of it above all, who owns what is mounted into it.
const overflow = 65534

// trusted are we and root.
func trusted(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == euid || stat.Uid == overflow && !numbered("/proc/self/uid_map", overflow))
}

// numbered says whether a user has a number of his own in our user namespace, as
// everybody has outside of one. In doubt he has.
func numbered(table string, uid uint64) bool {
	data, err := os.ReadFile(table) // #nosec G304 -- under /proc, and tests'
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(data)) {
		var inside, outside, count uint64 // user_namespaces(7)
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil || inside <= uid && uid-inside < count {
			return true
		}
	}
	return false
}

// ourGroups says whether a folder can be written by its group only, and that is ours
// alone, or root's: its number is the user's, and the system's own tables know no
// other member. A directory service may. With an ACL the mode's group bits are no
// group's, but the most that anybody named in it can have.
func ourGroups(s step) bool {
	stat, ok := s.info.Sys().(*syscall.Stat_t)
	return ok && s.info.Mode().Perm()&0o002 == 0 && (int(stat.Gid) == euid || stat.Gid == 0) && !hasACL(s.path) &&
		alone("/etc/passwd", "/etc/group", strconv.FormatUint(uint64(stat.Gid), 10))
}

func alone(passwd, group, id string) bool {
	var names []string
	for _, user := range table(passwd, 4) { // name:password:uid:gid
		switch {
		case user[2] == id:
			names = append(names, user[0])
		case user[3] == id:
			return false
		}
	}
	for _, g := range table(group, 4) { // name:password:gid:members
		for member := range strings.SplitSeq(g[3], ",") {
			if g[2] == id && member != "" && !slices.Contains(names, member) {
				return false
			}
		}
	}
	return true
}

// table reads passwd(5) and its like; a system without has no other users.
func table(path string, least int) (rows [][]string) {
	data, _ := os.ReadFile(path) // #nosec G304 -- under /etc, and tests'
	for line := range strings.Lines(string(data)) {
		if row := strings.Split(strings.TrimSpace(line), ":"); len(row) >= least {
			rows = append(rows, row)
		}
	}
	return rows
}
