package ui

import (
	"testing"
)

func TestPrintable(t *testing.T) {
	for given, want := range map[string]string{
		"Acme Ünïted 会社":           "Acme Ünïted 会社",
		"a\x1b[2Jb\r\nc\td\u009be": "a?[2Jb??c?d?e",
		"moc\u202egro.evil\u200b":  "moc?gro.evil?",
		"broken \xff":              "broken \ufffd",
	} {
		if got := Printable(given); got != want {
			t.Errorf("%q became %q, not %q", given, got, want)
		}
	}
}
