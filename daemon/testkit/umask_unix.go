//go:build unix

package testkit

import "syscall"

// Exe ends the name of a program.
const Exe = ""

func umask() { syscall.Umask(0o022) }
