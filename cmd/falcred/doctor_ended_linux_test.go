package main

import (
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// S11: doctor repeats the line of a service that a mistake of configuration has ended, and
// says nothing of others.
func TestS11DoctorNamesAnEndedService(t *testing.T) {
	f, ended := endedFinding("falcred.service", "ActiveState=failed\nExecMainStatus=78\nStatusText=cannot start: FALCRED_ISSUER must be https\n")
	if !ended {
		t.Fatal("it is not named")
	}
	testkit.WantText(t, f.Text, "falcred.service has ended by a mistake of configuration: FALCRED_ISSUER must be https")
	for _, other := range []string{
		"", "ActiveState=inactive\nExecMainStatus=0\nStatusText=\n", "ActiveState=failed\nExecMainStatus=1\nStatusText=\n",
		"ActiveState=active\nExecMainStatus=78\nStatusText=cannot start: x\n",
	} {
		if f, ended := endedFinding("falcred.service", other); ended {
			t.Errorf("%q: %+v", other, f)
		}
	}
}
