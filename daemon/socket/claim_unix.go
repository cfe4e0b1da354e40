//go:build linux || darwin

package socket

import "fmt"

func killCommand(pid int) string { return fmt.Sprintf("kill -9 %d", pid) }

func findCommand(lock string) string { return ": lsof " + lock }
