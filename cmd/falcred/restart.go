package main

import (
	"context"
	"fmt"
	"os"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/helper/dockercred"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

const restartHelp = `Have the daemon of this home end as falcred stop does, and start it again: a new
version of falcred runs then, with falcred.env as it is now. A service is restarted by its
manager. Elsewhere the daemon starts as docker-credential-fal starts one, with nothing of
this shell's environment but FAL_HOME_DIR and FALCRED_*. Where none runs, one is started.`

// restarted is the daemon that runs after a restart, for programs.
type restarted struct {
	Running bool
	PID     int
	Version string
	Service string `json:",omitempty"` // as its manager calls it
}

func newRestart() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "restart",
		Short:   "Restart the daemon of this home",
		Long:    restartHelp,
		Example: "  falcred restart\n  falcred restart --json | jq .PID",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now, err := waiting(cmd.ErrOrStderr(), "restarting falcred", stopPatience, func() (restarted, error) {
				return restart(cmd.Context())
			})
			out := cmd.OutOrStdout()
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(out, now)
			case now.Service != "":
				_, err = fmt.Fprintf(out, "%s runs, pid %d, version %s\n", protocol.Printable(now.Service), now.PID, now.Version)
			default:
				_, err = fmt.Fprintf(out, "falcred runs, pid %d, version %s\n", now.PID, now.Version)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// restart has a new daemon serve this home, by its service where there is one.
func restart(ctx context.Context) (now restarted, err error) {
	ctx, cancel := bounded(ctx, stopPatience)
	defer cancel()
	if s, state := theService(ctx); s != nil {
		now.Service = state.Unit
		_, err = s.Do(ctx, "restart")
	} else if err = dockercred.Startable(os.LookupEnv); err == nil { // before anything is stopped
		if _, err = stop(ctx); err == nil {
			err = dockercred.Start(ctx, os.LookupEnv)
		}
	}
	if err != nil {
		return now, err
	}
	client := helper.New(os.LookupEnv)
	defer client.Close()
	status, err := client.Status(ctx)
	now.Running, now.PID, now.Version = err == nil, status.PID, protocol.Printable(status.Version)
	return now, err
}
