package peer

import (
	"syscall"
	"unsafe"

	"github.com/falcred/falcred/protocol"
)

const (
	sioAFUnixGetPeerPID = 0x58000100 // SIO_AF_UNIX_GETPEERPID, <afunix.h>
	queryLimited        = 0x1000     // PROCESS_QUERY_LIMITED_INFORMATION
	systemSID           = "S-1-5-18" // LocalSystem, as root is elsewhere
)

// UID is always -1 with an error: a user is a SID here. [Check] compares those.
func UID(syscall.Conn) (uid int, err error) { return -1, errPeerUnknown }

// check compares the user of the peer's process with ours (S8). The process
// could end, and its number be taken again, between the two questions: what
// remains is a race that only another process of the same machine can win by
// luck. Untested on a real Windows.
func check(c syscall.Conn, _ []int) error {
	peer, err := peerSID(c)
	if err != nil {
		return protocol.Errorf(protocol.CodeDenied, "denied: %v", errPeerUnknown)
	}
	own, err := processSID(0)
	if err != nil {
		return protocol.Errorf(protocol.CodeDenied, "denied: our own user cannot be known")
	}
	if peer != own && peer != systemSID {
		return protocol.Errorf(protocol.CodeDenied, "denied: the other end belongs to user %s", peer)
	}
	return nil
}

func peerSID(c syscall.Conn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var pid, n uint32
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		sockErr = syscall.WSAIoctl(syscall.Handle(fd), sioAFUnixGetPeerPID, nil, 0,
			(*byte)(unsafe.Pointer(&pid)), uint32(unsafe.Sizeof(pid)), &n, nil, 0)
	})
	switch {
	case err != nil:
		return "", err
	case sockErr != nil:
		return "", sockErr
	case n != uint32(unsafe.Sizeof(pid)) || pid == 0:
		return "", errPeerUnknown
	}
	return processSID(pid)
}

// processSID is the user of a process; 0 is our own.
func processSID(pid uint32) (string, error) {
	process, err := syscall.GetCurrentProcess()
	if err != nil {
		return "", err
	}
	if pid != 0 {
		if process, err = syscall.OpenProcess(queryLimited, false, pid); err != nil {
			return "", err
		}
		defer syscall.CloseHandle(process)
	}
	var token syscall.Token
	if err := syscall.OpenProcessToken(process, syscall.TOKEN_QUERY, &token); err != nil {
		return "", err
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String()
}

// overflowIsOneUser: a user is no number here.
func overflowIsOneUser() bool { return true }
