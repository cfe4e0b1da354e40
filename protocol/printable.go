package protocol

import (
	"strconv"
	"strings"

	"github.com/falcred/falcred/protocol/internal/ijson"
)

// Printable is a text of somebody else's as one line that a terminal, a log and a script
// can be given. What is not graphic becomes "?": control bytes and the C1 controls (U+0080
// to U+009F), which command a terminal; format characters, which turn the direction of
// writing or are not seen; all that breaks a line. (Graphic are Unicode's letters, marks,
// numbers, punctuation, symbols and spaces.) A byte that is not UTF-8 becomes U+FFFD.
func Printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return strings.Map(graphic, s)
		}
	}
	return s
}

func graphic(r rune) rune {
	if strconv.IsGraphic(r) {
		return r
	}
	return '?'
}

// printableText is a message and, below its first line break, a hint.
func printableText(s string) string {
	message, hint, both := strings.Cut(s, "\n")
	if !both {
		return Printable(message)
	}
	return Printable(message) + "\n" + Printable(hint)
}

// makePrintable is for an answer that was read: its texts are for people, but for those of
// the members named, which are compared or used first.
func makePrintable(members []ijson.Member, except string) {
	for _, m := range members {
		switch value := m.Value.(type) {
		case *string:
			if m.Name != except {
				*value = Printable(*value)
			}
		case *[]string:
			for i, text := range *value {
				(*value)[i] = printableText(text)
			}
		}
	}
}
