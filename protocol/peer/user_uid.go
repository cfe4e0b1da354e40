//go:build !windows

package peer

import (
	"strconv"
	"syscall"
)

// User is the [UID] of the other end for a log, -1 where it cannot be known.
func User(c syscall.Conn) string {
	uid, _ := UID(c)
	return strconv.Itoa(uid)
}
