package ui

import (
	"testing"
	"time"
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

func TestSpan(t *testing.T) {
	for given, want := range map[time.Duration]string{
		59*time.Second + 999*time.Millisecond: "59 s",
		time.Minute:                           "1 min",
		time.Hour:                             "1 h 0 min",
		47*time.Hour + 59*time.Minute:         "47 h 59 min",
		48 * time.Hour:                        "2 d 0 h",
	} {
		if got := Span(given); got != want {
			t.Errorf("%s became %q, not %q", given, got, want)
		}
	}
}
