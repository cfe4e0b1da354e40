package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

const stopHelp = `Have the daemon of this home end, and wait until it has: it finishes a refresh
under way, and answers what was asked. A service of yours is stopped by its manager,
which would start the daemon again otherwise. Where no daemon runs, that is all.

The next docker-credential-fal starts one again, unless FALCRED_AUTOSTART=0 is set.`

// stopPatience is more than a daemon needs to end (S5), or a service manager to have it end.
const stopPatience = 70 * time.Second

// stopped is what stop has done, for programs.
type stopped struct {
	Stopped bool   // one ran, and does not any more
	PID     int    `json:",omitempty"` // its
	Service string `json:",omitempty"` // as its manager calls it
	again   string // what starts it again by itself
}

func newStop() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "stop",
		Short:   "Stop the daemon of this home",
		Long:    stopHelp,
		Example: "  falcred stop\n  falcred stop --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := waiting(cmd.ErrOrStderr(), "stopping falcred", stopPatience, func() (stopped, error) {
				return stop(cmd.Context())
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), done)
			}
			return done.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func (s stopped) print(w io.Writer) error {
	what := "falcred was not running"
	if s.Stopped {
		what = "falcred has stopped" + byPID(s.PID)
		if s.Service != "" {
			what = s.Service + " is stopped" + byPID(s.PID)
		}
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n", protocol.Printable(what), s.again)
	return err
}

// stop ends the daemon of this home, whoever has started it.
func stop(ctx context.Context) (done stopped, err error) {
	ctx, cancel := bounded(ctx, stopPatience)
	defer cancel()
	done.again = "the next docker-credential-fal starts it again, unless FALCRED_AUTOSTART=0"
	client := helper.New(os.LookupEnv)
	defer client.Close()
	s, state := theService(ctx)
	switch {
	case s == nil || !state.Running && !state.OnDemand:
		done.PID, err = service.End(ctx, client)
		done.Stopped = done.PID != 0
		return done, err
	case !state.Running: // a question would start it
		done.again = "the next request starts it; to stop that too: " + s.Line("stop")
		return done, nil
	}
	if status, err := client.Status(ctx); err == nil {
		done.PID = status.PID
	}
	done.Stopped, done.Service = true, state.Unit
	done.again += "\nto start the service again: " + s.Line("start")
	_, err = s.Do(ctx, "stop")
	return done, err
}

// theService is the one that is to serve this home, nil where none is installed, or where
// FALCRED_SOCKET names a daemon: several can serve a home, each on a socket of its own.
func theService(ctx context.Context) (*service.Service, service.State) {
	if os.Getenv("FALCRED_SOCKET") != "" {
		return nil, service.State{}
	}
	installed, states, _ := servicesHere(ctx)
	for i, state := range states {
		if state.Running {
			return installed[i], state
		}
	}
	if len(installed) == 0 {
		return nil, service.State{}
	}
	return installed[0], states[0]
}
