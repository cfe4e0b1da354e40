//go:build !linux

package daemon

func holder(path string) string { return "another process: fuser -v " + path }
