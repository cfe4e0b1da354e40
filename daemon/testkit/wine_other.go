//go:build !windows

package testkit

func wine() bool { return false }
