//go:build unix

package main

import (
	"os"
	"syscall"
)

// farewells are how a connection's end reaches a program that it has started.
var farewells = []os.Signal{syscall.SIGHUP, syscall.SIGPIPE}

// canFollow: it can.
func canFollow() error { return nil }
