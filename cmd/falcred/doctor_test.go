//go:build unix

package main

import (
	"testing"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol"
)

// A daemon of another version is named, and one whose login has ended fails.
func TestDoctorLooksAtTheDaemon(t *testing.T) {
	now := stub(t)
	now.Store(&protocol.Status{Version: "v0.0.1", State: protocol.StateLoginRequired, LastError: "the login has ended", Hint: "log in",
		Warnings: []string{"the file was readable\nchmod it"}})
	want := map[string]doctor.Result{"daemon": doctor.OK, "version": doctor.Warn, "login": doctor.Fail, "warning": doctor.Warn}
	findings := examineDaemon(stand(t.Context()))
	for _, f := range findings {
		if want[f.Check] != f.Result {
			t.Errorf("%+v", f)
		}
		delete(want, f.Check)
	}
	if len(want) != 0 || worst(findings) != 2 {
		t.Errorf("not found: %v; exit %d", want, worst(findings))
	}
}
