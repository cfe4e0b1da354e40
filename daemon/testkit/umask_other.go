//go:build !unix

package testkit

func umask() {} // there is none here
