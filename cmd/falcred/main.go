// Falcred keeps a fal.ai login fresh and hands its credentials to programs.
package main

import (
	"fmt"
	"os"

	"github.com/falcred/falcred/daemon"
)

func main() {
	// Before anything can hold a token (S4).
	if err := daemon.Harden(); err != nil {
		fmt.Fprintln(os.Stderr, "falcred:", err)
		os.Exit(exitFailure)
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
