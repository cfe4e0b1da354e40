package envfile

import (
	"fmt"
	"strings"
	"unicode"
)

// commandName is the variable that a shell reads (FALCRED_ON_CHANGE): there are quotes, $ and ~
// in it that are meant for that.
const commandName = "FALCRED_ON_CHANGE"

// odd is what is accepted and may not mean what was meant. dos is the first line that ends
// with CR LF, 0 where none does. It names lines by their number, and variables.
func odd(lines []line, dos int) (found []string) {
	say := func(number int, text, hint string) {
		found = append(found, fmt.Sprintf("%s, line %d: %s\n%s", Name, number, text, hint))
	}
	if dos > 0 {
		say(dos, "the line ends with CR LF, as on Windows; the CR is left out", "save the file with line ends of Unix: other programs take the CR for a part of the value")
	}
	seen := map[string]int{}
	for _, l := range lines {
		name := shown(l.name)
		before, twice := seen[l.name]
		if seen[l.name] = l.number; twice {
			say(l.number, fmt.Sprintf("%s stands on line %d, too; the last one counts", name, before), fmt.Sprintf("leave one of lines %d and %d", before, l.number))
		} else if text, hint := oddName(l.name); text != "" {
			say(l.number, text, hint)
		}
		if l.exported {
			say(l.number, "export before "+name+" does nothing here", fmt.Sprintf("leave the word out of line %d", l.number))
		}
		if l.spaced {
			say(l.number, "the spaces around the = after "+name+" are left out", fmt.Sprintf("write line %d without them", l.number))
		}
		for _, o := range oddValue(l) {
			say(l.number, "the value of "+name+" "+o[0], fmt.Sprintf(o[1], l.number))
		}
	}
	return found
}

// oddValue says what of a value was perhaps meant for a shell, and what to do. It shows none
// of it.
func oddValue(l line) (found [][2]string) {
	say := func(is bool, text, hint string) {
		if is {
			found = append(found, [2]string{text, hint})
		}
	}
	v, plain := l.value, l.name != commandName
	switch {
	case l.quote != "" && strings.Contains(v, l.quote):
		say(true, "has quotes inside it: only those at its ends are removed", "put the whole value of line %d into the other kind of quotes")
	case !plain:
		say(unclosed(v), "has a quote that does not close", "close it, or leave it out of line %d")
	case l.quote == "" && commented(v):
		say(true, "has a # in it, which does not begin a comment there", "give the comment of line %d a line of its own, or put the value into quotes")
	case l.quote == "":
		say(strings.IndexFunc(v, isQuote) == 0 || v != strings.TrimRightFunc(v, isQuote),
			"has a quote at one end, which stays a part of it: only a pair at both ends is removed", "close the quote of line %d at the end, or leave it out")
	}
	say(strings.HasSuffix(v, `\`), "ends with a backslash, which stays a part of it: a value cannot go on in the next line", "write the whole of line %d on it")
	say(strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && (plain || r != '\t') }),
		"has a control byte in it", "write line %d again without that")
	say(plain && strings.HasPrefix(v, "~") && l.name != "FAL_CONFIG_PATH" && l.name != "FALCRED_SHARE_SOCKET", "begins with ~, which is not replaced by your home folder here", "write the whole path on line %d")
	say(plain && (strings.HasPrefix(v, "$") || strings.Contains(v, "${")), "has a $ in it: no variable is replaced by its value here", "write on line %d what it stands for")
	return found
}

// isQuote knows those, too, that a word processor makes of them.
func isQuote(r rune) bool { return strings.ContainsRune(`"'“”„‘’‚«»`, r) }

// commented says whether a shell, or systemd, would take the end of a value for a comment.
func commented(value string) bool {
	return strings.HasPrefix(value, "#") || strings.Contains(value, " #") || strings.Contains(value, "\t#")
}

// unclosed says whether a shell would wait for the end of a quote.
func unclosed(command string) bool {
	var open rune
	escaped := false
	for _, r := range command {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && open != '\'':
			escaped = true
		case open == 0 && (r == '"' || r == '\''):
			open = r
		case r == open:
			open = 0
		}
	}
	return open != 0
}
