package peer

import (
	"math"
	"os"
	"syscall"
	"unsafe"
)

// From <sys/un.h> and <sys/ucred.h>.
const (
	solLocal      = 0
	localPeerCred = 1
	xucredVersion = 0
)

type xucred struct {
	version uint32
	uid     uint32
	ngroups int16
	groups  [16]uint32
}

// UID is the user of the process that connected or listened, by the
// kernel's word (LOCAL_PEERCRED). It is -1 with an error when it cannot be known.
func UID(c syscall.Conn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	// A struct that the kernel left alone, or filled in part, must not read as
	// root: it starts invalid, and the length has to be the whole.
	cred := xucred{version: math.MaxUint32, uid: math.MaxUint32}
	size := uint32(unsafe.Sizeof(cred))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, solLocal, localPeerCred,
			uintptr(unsafe.Pointer(&cred)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil {
		return -1, err
	}
	if errno != 0 {
		return -1, errno
	}
	if size != uint32(unsafe.Sizeof(cred)) || cred.version != xucredVersion || cred.uid == math.MaxUint32 {
		return -1, errPeerUnknown
	}
	return int(cred.uid), nil
}

func check(c syscall.Conn, others []int) error {
	uid, err := UID(c)
	return allowUID(uid, os.Geteuid(), err, others, overflowIsOneUser)
}

// overflowIsOneUser: this system has no user namespaces.
func overflowIsOneUser() bool { return true }
