//go:build !linux

package daemon

// dropFilePages leaves them to the system.
func dropFilePages() {}
