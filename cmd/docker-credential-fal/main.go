// Command docker-credential-fal gives scripts and docker-style clients the
// credential that falcred keeps. See package helper.
package main

import (
	"os"

	"github.com/falcred/falcred/helper"
)

func main() {
	os.Exit(helper.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
