//go:build unix

package server

import (
	"github.com/falcred/falcred/protocol/limits"
	"golang.org/x/sys/unix"
)

// reserved descriptors are for a rotation (S6): its lock, its journal entry, its
// connections, the token file, and what the process needs all the time. Where there are
// few in all, clients get half of them, or what is left of the least that will do.
const reserved = 64

// maxConnections is how many clients may be connected at once (S6).
func maxConnections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return reserved // some: how many there are is not known
	}
	return connections(int(min(limit.Cur, 1<<30))) // "infinity" does not fit an int
}

func connections(files int) int { return max(files-min(max(files/2, limits.Files), reserved), 1) }
