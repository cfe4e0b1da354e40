package main

import (
	"context"
	"os/exec"
	"os/user"
	"strconv"
	"strings"

	"github.com/falcred/falcred/daemon/doctor"
)

// examineEnded names a service that a mistake of the configuration has ended (S11). systemd
// does not start it again by itself, and keeps its last line.
func examineEnded(ctx context.Context) (findings []doctor.Finding) {
	me, err := user.Current()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	for _, args := range [][]string{{"--user", "falcred.service"}, {"falcred@" + me.Username + ".service"}} {
		args = append([]string{"show", "--property=ActiveState,ExecMainStatus,StatusText"}, args...)
		shown, err := exec.CommandContext(ctx, "systemctl", args...).Output() // #nosec G204 -- systemctl, as found on PATH
		if err != nil {
			continue
		}
		if f, ended := endedFinding(args[len(args)-1], string(shown)); ended {
			findings = append(findings, f)
		}
	}
	return findings
}

// endedFinding reads what systemctl shows of a unit.
func endedFinding(unit, shown string) (f doctor.Finding, ended bool) {
	property := map[string]string{}
	for line := range strings.Lines(shown) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		property[name] = value
	}
	if property["ActiveState"] != "failed" || property["ExecMainStatus"] != strconv.Itoa(exitConfig) {
		return f, false
	}
	why, told := strings.CutPrefix(property["StatusText"], cannotStartStatus)
	if !told {
		why = "its log says which"
	}
	return doctor.Finding{Check: "service", Result: doctor.Fail, Text: unit + " has ended by a mistake of configuration: " + why,
		Hint: "correct that, then: falcred service restart"}, true
}
