package service

import (
	"strings"
	"testing"
)

// S11: of a service that a mistake of configuration has ended the line is kept, and of others
// there is none.
func TestS11AnEndedServiceIsKnown(t *testing.T) {
	s := systemd{&Service{name: "falcred"}}
	read := func(shown string) State {
		property := map[string]string{}
		for line := range strings.Lines(shown) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			property[name] = value
		}
		return s.read(property, nil)
	}
	const failed = "LoadState=loaded\nActiveState=failed\nExecMainStatus=78\nStatusText="
	for shown, want := range map[string]string{
		failed + "cannot start: FALCRED_ISSUER must be https\n": "FALCRED_ISSUER must be https",
		failed + "\n": "?",
		"":            "",
		"ActiveState=inactive\nExecMainStatus=0\nStatusText=\n":               "",
		"ActiveState=failed\nExecMainStatus=1\nStatusText=\n":                 "",
		"ActiveState=active\nExecMainStatus=78\nStatusText=cannot start: x\n": "",
	} {
		if state := read(shown); state.Misled != want {
			t.Errorf("%q: %+v", shown, state)
		}
	}
}

// A unit that is starting is not down: what ends the service is its manager's to do.
func TestStartingServiceIsKnown(t *testing.T) {
	s := systemd{&Service{name: "falcred", System: true}}
	for state, want := range map[string]bool{"active": true, "activating": true, "reloading": true, "deactivating": false, "inactive": false, "failed": false, "": false} {
		if got := s.read(map[string]string{"ActiveState": state}, nil).Running; got != want {
			t.Errorf("%q: running is %v", state, got)
		}
	}
}
