//go:build unix && (!linux || race)

package daemon

import "syscall"

const canTry = true

// takesNoDescriptors is not known here. Nor is anything quick under the race detector,
// which has to be told what passes between goroutines through a socket.
func takesNoDescriptors(uintptr) bool { return false }

func readNow(fd uintptr, b []byte, _ bool) (int, error)  { return syscall.Read(int(fd), b) }
func writeNow(fd uintptr, b []byte, _ bool) (int, error) { return syscall.Write(int(fd), b) }
