package main

import (
	"os"
	"strings"
)

// environment is what the shell has given, as it is now: daemon.Load and Look
// add falcred.env to this process's, and no other program of the shell has that.
func environment() func(string) string { return lookupIn(os.Environ()) }

// lookupIn is os.Getenv for the entries of an environment.
func lookupIn(environ []string) func(string) string {
	given := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		given[name] = value
	}
	return func(name string) string { return given[name] }
}
