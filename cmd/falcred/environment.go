package main

import (
	"os"
	"strings"
)

// environment is what the shell has given, as it is now: daemon.Load and Look
// add falcred.env to this process's, and no other program of the shell has that.
func environment() func(string) string {
	given := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		given[name] = value
	}
	return func(name string) string { return given[name] }
}
