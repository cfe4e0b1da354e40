package demo

import "strings"

// assign is a line of PowerShell's that sets a variable.
func assign(name, value string) string { return "$env:" + name + " = " + word(value) }

// forget is the one that unsets some.
func forget(names ...string) string { return "Remove-Item Env:" + strings.Join(names, ", Env:") }

// onPath is the one that has programs of a folder found first.
func onPath(folder string) string { return "$env:PATH = " + word(folder+";") + " + $env:PATH" }

// offPath is the one that undoes it.
func offPath(folder string) string {
	return "$env:PATH = $env:PATH.Replace(" + word(folder+";") + ", '')"
}

// remove is the one that removes a folder.
func remove(folder string) string { return "Remove-Item -Recurse " + word(folder) }

// approval is what a person does on the issuer's page.
func approval(page string) string {
	return "irm " + page + " -Method Post -Body @{decision='approve'; user_code='CODE'}"
}

// request asks with the credential of the shell.
func request(url string) string {
	return `irm ` + url + ` -Headers @{Authorization="Bearer $(falcred token)"}`
}

// word is text as PowerShell takes it for one word.
func word(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
