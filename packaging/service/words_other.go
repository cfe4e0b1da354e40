//go:build !windows

package service

import "strings"

// withHome is a command for the home, for a shell.
func withHome(home, line string) string { return "FAL_HOME_DIR=" + shellWord(home) + " " + line }

// addLines appends lines to a file in the home, in a shell.
func addLines(home, file string, lines []string) string {
	text := "mkdir -p " + shellWord(home) + " && printf '%s\\n'"
	for _, line := range lines {
		text += " " + shellWord(line)
	}
	return text + " >>" + shellWord(file)
}

// shellWord is text as a shell takes it for one word.
func shellWord(text string) string {
	if plainWord(text, "/._-+@:,") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// machineServes: a service of the machine can serve a user.
func machineServes() error { return nil }

// killing is the command that ends a process.
const killing = "kill"
