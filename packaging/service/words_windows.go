package service

import (
	"errors"
	"strings"
)

// machineServes: a service of Windows has an account and a profile of its own, and its files and
// its pipe are that account's.
func machineServes() error {
	return errors.New("there is no service of the machine on Windows: it would not run as you, and a login lives in your profile\nleave --system and --run-as out: falcred then starts when you log in")
}

// withHome is a command for the home, for PowerShell.
func withHome(home, line string) string { return "$env:FAL_HOME_DIR=" + quoted(home) + "; " + line }

// addLines appends lines to a file in the home, in PowerShell.
func addLines(home, file string, lines []string) string {
	for i, line := range lines {
		lines[i] = shellWord(line)
	}
	return "mkdir -Force " + shellWord(home) + "; Add-Content " + shellWord(file) + " " + strings.Join(lines, ",")
}

// shellWord is text as PowerShell takes it for one word.
func shellWord(text string) string {
	if plainWord(text, `\/._-+:`) {
		return text
	}
	return quoted(text)
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// killing is the command that ends a process.
const killing = "taskkill /f /pid"
