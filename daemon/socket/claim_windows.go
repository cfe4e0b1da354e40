package socket

import "fmt"

func killCommand(pid int) string { return fmt.Sprintf("taskkill /f /pid %d", pid) }

// findCommand has none: the system does not say who holds a lock.
func findCommand(string) string { return "" }
