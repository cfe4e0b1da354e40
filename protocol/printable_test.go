package protocol

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// §4: nothing in another's text commands a terminal, turns the direction of writing, or
// begins a line of its own.
func TestPrintable_Section4(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"plain ~ text":                    "plain ~ text",
		"Zoë 日本　語 🚀 ½":                    "Zoë 日本　語 🚀 ½",
		"\x1b]0;owned\x07\x1b[2J":         "?]0;owned??[2J",
		"a\nb\r\nc\td\x00\x7f":            "a?b??c?d??",
		"\u0080\u009b31m\u009f\u0085":     "??31m??", // C1: U+009B is CSI, U+0085 a line break
		"\u202eexe.txt\u2066\u200f\u061c": "?exe.txt???",
		"a\u2028b\u2029c\u200bd\ufeff":    "a?b?c?d?",
		"\U000e0041\ue000":                "??", // a tag, private use
		"\xff\xc0\x80\xed\xa0\x80":        strings.Repeat("\ufffd", 6),
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if got := Printable(string(r)); unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) && got == string(r) {
			t.Fatalf("%U passes", r)
		}
	}
}

// hostile is each thing that a text must not do.
const hostile = "\x1b[2J\u009b\u202e\u2028"

// §4: what a daemon says is printable when it has been read, and as it was written where it
// is not text: a credential is refused by the client instead, and a home is compared.
func TestAnswersThatWereReadArePrintable_Section4(t *testing.T) {
	line := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	err := ParseAnswer(line(map[string]string{"Error": "a" + hostile + "\nb" + hostile + "\nc", "Code": "x" + hostile}), nil)
	if e := AsError(err); e.Message != "a?[2J???\nb?[2J????c" || e.Code != "x?[2J???" {
		t.Errorf("%q, %q", e.Message, e.Code)
	}
	status := map[string]any{"Warnings": []string{hostile + "\n" + hostile}, "Shadows": []string{hostile}}
	for _, name := range []string{"Version", "Home", "Socket", "Issuer", "State", "Source", "Subject", "Team", "TeamID", "LastError", "Hint"} {
		status[name] = hostile
	}
	var s Status
	if err := ParseAnswer(line(status), &s); err != nil || s.Home != hostile {
		t.Fatalf("%v, %q", err, s.Home)
	}
	s.Home = ""
	texts := strings.Join(append(append(s.Warnings, s.Shadows...), s.Version, s.Socket, s.Issuer, s.State, s.Source, s.Subject, s.Team, s.TeamID, s.LastError, s.Hint), "")
	if strings.Replace(texts, "\n", "", 1) != strings.Repeat("?[2J???", 13) {
		t.Errorf("%q", texts)
	}
	var v VersionAnswer
	var list map[string]string
	if err := ParseAnswer(line(map[string]string{"Version": hostile}), &v); err != nil || v.Version != "?[2J???" {
		t.Errorf("%v, %q", err, v.Version)
	}
	if err := ParseAnswer(line(map[string]string{hostile: hostile}), &list); err != nil || list["?[2J???"] != "?[2J???" {
		t.Errorf("%v, %q", err, list)
	}
	var cred Credential
	if err := ParseAnswer(line(map[string]string{"Username": "Bearer", "Secret": hostile}), &cred); err != nil || string(cred.Secret) != hostile {
		t.Errorf("%v", err)
	}
}

// §4: a line that is written shows nothing harmful either, by nc or by cat, and is read as
// it was.
func TestLinesThatAreWrittenArePrintable_Section4(t *testing.T) {
	out, err := AppendAnswer(nil, Credential{ServerURL: hostile, Username: "Bearer", Secret: hostile, Headers: map[string]string{hostile: hostile}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(out), "\n")
	if Printable(text) != text {
		t.Errorf("%q", text)
	}
	var cred Credential
	if err := ParseAnswer(text, &cred); err != nil || cred.ServerURL != hostile || string(cred.Secret) != hostile || cred.Headers[hostile] != hostile {
		t.Errorf("%v, %q", err, text)
	}
}
