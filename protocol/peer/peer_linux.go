package peer

import (
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// UID is the user of the process that connected or listened, by the
// kernel's word (SO_PEERCRED). It is -1 with an error when it cannot be known.
func UID(c syscall.Conn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *syscall.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return -1, err
	}
	if sockErr != nil {
		return -1, sockErr
	}
	// The kernel writes the whole struct or fails; a socket without a peer has
	// the uid -1. The pid is no sign: it is 0 for a peer in an outer namespace.
	if cred.Uid == math.MaxUint32 {
		return -1, errPeerUnknown
	}
	return int(cred.Uid), nil
}

func check(c syscall.Conn, others []int) error {
	uid, err := UID(c)
	return allowUID(uid, os.Geteuid(), err, others, overflowIsOneUser)
}

// overflowIsOneUser: where the map has a number for every user, none is left for
// the overflow uid to stand for. A map that cannot be read is none.
func overflowIsOneUser() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && mapsEveryUser(string(text))
}

// mapsEveryUser reads a uid_map (user_namespaces(7)): lines of a first uid in here,
// a first uid out there, and how many. Ranges never overlap, and the kernel takes
// only what the namespace outside maps itself, so the number of users is all there
// is to see. (uid_t)-1 is no user.
func mapsEveryUser(text string) bool {
	mapped := uint64(0)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return false
		}
		n, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			return false
		}
		mapped += n
	}
	return mapped >= math.MaxUint32
}
