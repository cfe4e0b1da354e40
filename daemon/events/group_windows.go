package events

import "os/exec"

// ownGroup: here only the command itself is ended.
func ownGroup(*exec.Cmd) {}
