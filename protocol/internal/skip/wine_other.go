//go:build !windows

package skip

func wine() bool { return false }
