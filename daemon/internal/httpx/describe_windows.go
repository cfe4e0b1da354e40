package httpx

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// ofUnix are Windows' numbers for what other systems have in fewer words.
var ofUnix = map[syscall.Errno]syscall.Errno{
	windows.WSAECONNREFUSED: syscall.ECONNREFUSED,
	windows.WSAECONNRESET:   syscall.ECONNRESET,
	windows.WSAECONNABORTED: syscall.ECONNABORTED,
	windows.WSAENETUNREACH:  syscall.ENETUNREACH,
	windows.WSAEHOSTUNREACH: syscall.EHOSTUNREACH,
	windows.WSAETIMEDOUT:    syscall.ETIMEDOUT,
}

// errnoText is an error in the words that it has on each system.
func errnoText(errno syscall.Errno) string {
	if same, ok := ofUnix[errno]; ok {
		errno = same
	}
	return errno.Error()
}
