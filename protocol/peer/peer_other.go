//go:build !linux && !darwin && !windows

package peer

import (
	"syscall"

	"github.com/falcred/falcred/protocol"
)

// UID is always -1 with an error: this system does not say, so everybody is refused.
func UID(syscall.Conn) (uid int, err error) { return -1, errPeerUnknown }

func check(c syscall.Conn, _ []int) error {
	_, err := UID(c)
	return protocol.Errorf(protocol.CodeDenied, "denied: %v", err)
}

// overflowIsOneUser: no other system has user namespaces.
func overflowIsOneUser() bool { return true }
