//go:build unix

package main

import (
	"math"
	"testing"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol"
)

// On a terminal a text goes on beside its check, and through a pipe it is one line.
func TestDoctorsPage(t *testing.T) {
	findings := []doctor.Finding{{Check: "key", Result: doctor.OK, Text: "one two"}, {Check: "falcred.env", Result: doctor.Warn, Text: "one two three", Hint: "four five\x1b six"}}
	for columns, want := range map[int]string{
		27:          "ok    key         one two\nwarn  falcred.env one two\n                  three\n                  four\n                  five? six\n",
		math.MaxInt: "ok    key         one two\nwarn  falcred.env one two three\n                  four five? six\n",
	} {
		if got := findingsPage(false, findings, columns); got != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
}

// A daemon of another version is named, and one whose login has ended fails. What it warns of
// and doctor finds itself is said once.
func TestDoctorLooksAtTheDaemon(t *testing.T) {
	now := stub(t)
	now.Store(&protocol.Status{Version: "v0.0.1", State: protocol.StateLoginRequired, LastError: "the login has ended", Hint: "log in",
		Warnings: []string{"the file was readable\nchmod it", "/h can be written by its group\nchmod g-w /h"}})
	want := map[string]doctor.Result{"daemon": doctor.OK, "version": doctor.Warn, "login": doctor.Fail, "warning": doctor.Warn}
	findings := examineDaemon(t.Context(), stand(t.Context()), []doctor.Finding{{Check: "home", Result: doctor.Warn, Text: "/h can be written", Hint: "chmod g-w /h"}})
	for _, f := range findings {
		if want[f.Check] != f.Result || f.Check == "warning" && f.Hint != "chmod it" {
			t.Errorf("%+v", f)
		}
		delete(want, f.Check)
	}
	if len(want) != 0 || worst(findings) != 2 {
		t.Errorf("not found: %v; exit %d", want, worst(findings))
	}
}
