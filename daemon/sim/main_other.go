//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "the simulated disk is one of Linux: run this there")
	os.Exit(2)
}
