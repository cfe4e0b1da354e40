package service

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What runs decides, for root and for a user alike; a user's own service is none of OpenRC's or
// SysV's.
func TestWhatRunsIsTheManager(t *testing.T) {
	for _, c := range []struct{ folders, users, machines string }{
		{"/run/systemd/system /run/openrc /etc/init.d", "systemd", "systemd"},
		{"/run/openrc /etc/init.d", "desktop", "OpenRC"},
		{"/etc/init.d", "desktop", "SysV"},
		{"", "desktop", "no service manager that falcred knows runs on this machine"},
	} {
		there := func(path string) bool { return slices.Contains(strings.Fields(c.folders), path) }
		for _, system := range []bool{false, true} {
			m, err := (&Service{name: "falcred", User: "ann", System: system}).managerOf(there)
			got := fmt.Sprintf("%T", m)
			switch m := m.(type) {
			case nil:
				got, _, _ = strings.Cut(err.Error(), ":")
			case initd:
				got = m.manager
			}
			want := c.users
			if system {
				want = c.machines
			}
			if strings.TrimPrefix(got, "service.") != want {
				t.Errorf("%q, of the machine: %t: %s, want %s", c.folders, system, got, want)
			}
		}
	}
}

// What a session starts has no key and no setting of the shell that installs it.
func TestASessionKnowsNothingOfAShell(t *testing.T) {
	got := sessionOnly([]string{"FAL_KEY=k", "FALCRED_ISSUER=x", "DISPLAY=:0", "FALSE=1"})
	if !slices.Equal(got, []string{"DISPLAY=:0", "FALSE=1"}) {
		t.Errorf("%q", got)
	}
}
