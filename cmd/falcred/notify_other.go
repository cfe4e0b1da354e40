//go:build !linux

package main

import (
	"os"
	"strings"
)

// notices are for systemd: no other service manager waits for them.
type notices struct{}

func newNotices() notices { return notices{} }

func (notices) ready(string)      {}
func (notices) cannotStart(error) {}
func (notices) stopping()         {}
func (notices) close()            {}

// ownService says whether this process is a service's own, and not something that
// was started inside one: launchd starts its jobs itself, and names them.
func ownService() bool {
	return os.Getppid() == 1 && strings.HasPrefix(os.Getenv("XPC_SERVICE_NAME"), "com.github.falcred.")
}
