//go:build unix

package server

import "golang.org/x/sys/unix"

// reserved descriptors are for a rotation (S6): its lock, its journal entry, its
// connections, the token file, and what the process needs all the time.
const reserved = 64

// maxConnections is how many clients may be connected at once (S6).
func maxConnections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return reserved // some: how many there are is not known
	}
	most := min(limit.Cur, 1<<30) // "infinity" does not fit an int
	return max(int(most)-reserved, 1)
}
