package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol"
)

// servicesHere are those that may serve this home: the user's own, and the machine's for him.
func servicesHere(ctx context.Context) (installed []*service.Service, states []service.State, unknown string) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	for _, s := range service.Here(io.Discard) {
		state := s.State(ctx)
		unknown = cmp.Or(unknown, state.Unknown)
		if state.Installed {
			installed, states = append(installed, s), append(states, state)
		}
	}
	return installed, states, unknown
}

// examineService says how the daemon of this home is started, as `falcred service status` knows
// it. Where none does, a helper starts a daemon, d; but Python and the fal CLI call no helper. One that a
// mistake of configuration has ended is wrong (S11).
func examineService(ctx context.Context, d *protocol.Status) (findings []doctor.Finding) {
	installed, states, unknown := servicesHere(ctx)
	for i, s := range installed {
		f := doctor.Finding{Check: "service", Result: doctor.OK}
		switch state := states[i]; {
		case state.Misled != "":
			why := state.Misled
			if why == "?" {
				why = "its log says which"
			}
			f.Result, f.Text = doctor.Fail, state.Unit+" has ended by a mistake of configuration: "+why
			f.Hint = "correct that, then: " + s.Line("restart")
		case !state.Running && state.OnDemand:
			f.Text = fmt.Sprintf("%s (%s) starts with the next request", state.Unit, state.Manager)
		case !state.Running:
			f.Result, f.Text = doctor.Warn, fmt.Sprintf("%s (%s) is installed and does not run", state.Unit, state.Manager)
			f.Hint = "start it: " + s.Line("start")
		case s.System:
			f.Text = fmt.Sprintf("%s (%s) of the machine runs, whether you are logged in to this machine or not", state.Unit, state.Manager)
		case state.Outlives:
			f.Text = fmt.Sprintf("%s (%s) runs, and goes on when you log out of this machine", state.Unit, state.Manager)
		default:
			f.Text = fmt.Sprintf("%s (%s) runs, and ends when you log out of this machine", state.Unit, state.Manager)
			if state.Manager == "systemd" {
				f.Text += " (to keep it: loginctl enable-linger)"
			}
		}
		findings = append(findings, f)
	}
	if len(installed) == 0 && unknown != "" {
		findings = append(findings, doctor.Finding{Check: "service", Result: doctor.OK, Text: "not known: " + unknown})
	} else if len(installed) == 0 && d != nil && !d.OnDemand {
		findings = append(findings, doctor.Finding{Check: "service", Result: doctor.OK, Text: "none installed: whoever has started this daemon has to start it after a restart, too"})
	} else if len(installed) == 0 {
		findings = append(findings, doctor.Finding{Check: "service", Result: doctor.Warn,
			Text: "none installed: after a restart of this machine nothing keeps the login fresh until docker-credential-fal is called, which Python and the fal CLI do not",
			Hint: "falcred service install"})
	}
	return findings
}

// startHint is what starts a daemon where no service does.
const startHint = "have it run by itself: falcred service install (in a container: falcred run &)"

// startLine is what starts this home's daemon: its service, where there is one.
func startLine(ctx context.Context) string {
	installed, states, _ := servicesHere(ctx)
	switch {
	case len(installed) == 0:
		return startHint
	case states[0].Misled != "":
		return "see why its service has ended: falcred doctor"
	}
	return "start it: " + installed[0].Line("start")
}

// withStartLine has an error that no daemon runs name the service that is to run it.
func withStartLine(ctx context.Context, err error) error {
	if !errors.Is(err, helper.ErrNotRunning) {
		return err
	}
	return errors.New("falcred is not running\n" + startLine(ctx))
}
