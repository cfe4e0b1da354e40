//go:build !unix

package main

import (
	"errors"
	"os"
)

var farewells []os.Signal

// canFollow: what follow reads from is a Unix socket that ssh or a mount has brought here.
func canFollow() error {
	return errors.New("falcred follow reads from a Unix socket, and falcred knows none here\nlog in on this machine too: falcred login; or run it in WSL: packaging/WSL.md")
}
