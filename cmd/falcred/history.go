package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const historyHelp = `Print what happened to the login, oldest first: why was I logged out?

The daemon writes it to falcred.history in the home: a few thousand lines at
most, and no secret in them. It needs no daemon to be read.`

const historyExample = `  falcred history
  falcred history -n 20
  falcred history --json | jq -r 'select(.Event == "login_required") | .Time + " " + .Cause'`

// happenings says each event in words.
var happenings = map[string]string{
	daemon.EventStarted:       "the daemon started",
	daemon.EventStopped:       "the daemon stopped",
	daemon.EventLoggedIn:      "a login appeared",
	daemon.EventAdopted:       "another program wrote the token file",
	daemon.EventRefreshed:     "refreshed",
	daemon.EventRejected:      "the refresh token was rejected",
	daemon.EventLoginRequired: "the login ended",
	daemon.EventRestored:      "put the living token back",
	daemon.EventVanished:      "the token file vanished",
	daemon.EventLoggedOut:     "logged out",
	daemon.EventUnavailable:   "refreshing fails",
	daemon.EventClock:         "the clock jumped",
}

func newHistory() *cobra.Command {
	var asJSON bool
	var last int
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "Print what happened to the login",
		Long:    historyHelp,
		Example: historyExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if last < 0 {
				return usageError{fmt.Sprintf("-n is not a number of events: %d", last), helpHint(cmd)}
			}
			home, err := env.Home(os.LookupEnv)
			if err != nil {
				return err
			}
			events, err := daemon.ReadHistory(home)
			if err != nil {
				return err
			}
			if last > 0 && len(events) > last {
				events = events[len(events)-last:]
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printLines(out, events)
			}
			return printHistory(out, newPaint(out), events)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines, one for each event")
	cmd.Flags().IntVarP(&last, "last", "n", 0, "print only the last n events")
	return cmd
}

func printHistory(w io.Writer, colour paint, events []daemon.Event) error {
	if len(events) == 0 {
		_, err := fmt.Fprintln(w, "nothing has happened yet: the daemon writes the history")
		return err
	}
	var page strings.Builder
	day := ""
	for _, e := range events {
		if today := e.Time.Local().Format("Monday, 2 January 2006"); today != day {
			day = today
			fmt.Fprintf(&page, "%s\n", colour.bold(day))
		}
		fmt.Fprintf(&page, "  %s  %s\n", e.Time.Local().Format("15:04:05"), happened(colour, e))
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func happened(colour paint, e daemon.Event) string {
	text := happenings[e.Event]
	if text == "" {
		text = printable(e.Event) // of a newer falcred
	}
	switch e.Event {
	case daemon.EventRejected, daemon.EventLoginRequired:
		text = colour.red(text)
	case daemon.EventLoggedOut, daemon.EventUnavailable, daemon.EventVanished, daemon.EventClock:
		text = colour.yellow(text)
	}
	if e.Event == daemon.EventLoggedIn && e.Subject != "" {
		text += ": " + printable(e.Subject)
	}
	if e.Cause != "" {
		text += ": " + printable(e.Cause)
	}
	if e.Event == daemon.EventRefreshed && !e.Expires.IsZero() {
		text += fmt.Sprintf(", valid for %s", span(e.Expires.Sub(e.Time).Round(time.Minute)))
	}
	return text
}
