//go:build !windows

package demo

import "strings"

// assign is a shell's line that sets a variable.
func assign(name, value string) string { return "export " + name + "=" + word(value) }

// forget is the one that unsets some.
func forget(names ...string) string { return "unset " + strings.Join(names, " ") }

// onPath is the one that has programs of a folder found first.
func onPath(folder string) string { return "export PATH=" + word(folder) + `:"$PATH"` }

// offPath is the one that undoes it.
func offPath(folder string) string {
	return `export PATH="${PATH#` + word(folder) + `:}"`
}

// remove is the one that removes a folder.
func remove(folder string) string { return "rm -r " + word(folder) }

// approval is what a person does on the issuer's page.
func approval(page string) string {
	return "curl -s -d decision=approve -d user_code=CODE " + page
}

// request asks with the credential of the shell, which reaches curl on its standard input.
func request(url string) string {
	return `printf 'Authorization: Bearer %s' "$(falcred token)" |` + "\n     curl -s -H @- " + url
}

// word is text as a shell takes it for one word.
func word(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
