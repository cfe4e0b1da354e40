//go:build !unix

package testkit

// Exe ends the name of a program.
const Exe = ".exe"

func umask() {} // there is none here
