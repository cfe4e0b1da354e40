//go:build !linux && !windows

package socket

// LockHolder names the command that finds the process that holds a lock on a file: the
// system does not say it here.
func LockHolder(path string) string { return "another process: lsof " + path }
