//go:build unix

package server

import "syscall"

// writesAtOnce says that an answer that fits is written without a time.
const writesAtOnce = true

// writeNow is write(2) on a descriptor that does not block, and says how many bytes it
// took. It is package syscall's, which tells the scheduler: on some kernels it can take
// long, when it collects the descriptors that clients have in flight (before Linux 6.9).
func writeNow(fd uintptr, b []byte) int {
	n, _ := syscall.Write(int(fd), b) // #nosec G115 -- a descriptor
	return max(n, 0)
}
