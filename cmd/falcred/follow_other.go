//go:build !unix

package main

import "os"

var farewells []os.Signal
