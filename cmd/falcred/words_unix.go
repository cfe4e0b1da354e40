//go:build !windows

package main

// What hints say in the words of this system.
const (
	homeVariable = "HOME" // names a user's folder
	ofPrivate    = " (chmod 600)"
	writeHint    = "make it writable (mount -o remount,rw; chmod u+w), or set FAL_HOME_DIR to a folder that is"
	hangHint     = "is its server there? see: mount"
)

// holderHint is how to find who has a file open.
func holderHint(path string) string { return "lsof " + path }
