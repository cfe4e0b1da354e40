//go:build !unix

package testkit

// Umask: there is none here.
func Umask() {}
