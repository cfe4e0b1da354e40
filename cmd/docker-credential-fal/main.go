// Command docker-credential-fal gives scripts and docker-style clients the
// credential that falcred keeps. See package dockercred.
package main

import (
	"os"

	"github.com/falcred/falcred/helper/dockercred"
)

func main() {
	os.Exit(dockercred.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
