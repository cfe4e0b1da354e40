package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/words"
	"github.com/spf13/cobra"
)

const historyHelp = `Print what happened to the login, oldest first, and at the end the answer to
"why was I logged out?": when, the likely cause, and what to do.

The daemon writes it to falcred.history in the home, and where none runs, falcred
login and logout do: a few thousand lines at most, and no secret in them. It needs
no daemon to be read.`

const historyExample = `  falcred history
  falcred history -n 20
  falcred history --json | jq 'select(.Event == "login_required") | .Cause'`

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
			all, err := inTime("reading the history", homePatience, func() ([]events.Event, error) { return events.Read(home) })
			if err != nil {
				return err
			}
			shown := all
			if last > 0 && len(all) > last {
				shown = all[len(all)-last:]
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printLines(out, shown)
			}
			return printHistory(out, ui.NewPaint(out), all, shown)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON lines, one for each event")
	cmd.Flags().IntVarP(&last, "last", "n", 0, "print only the last `n` events")
	return cmd
}

// printHistory prints the events that are to be shown, and what all of them say.
func printHistory(w io.Writer, colour ui.Paint, all, shown []events.Event) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nothing yet: the history begins with the first login, or when the daemon first runs")
		return err
	}
	const left = len("  15:04:05  ")
	columns := ui.LineWidth(w)
	var page strings.Builder
	day, ended := "", ""
	for _, e := range shown {
		if today := e.Time.Local().Format("Monday, 2 January 2006"); today != day {
			day = today
			fmt.Fprintf(&page, "%s\n", colour.Bold(day))
		}
		switch {
		case e.Event == events.LoginRequired:
			ended = e.Cause
		case e.Event == events.Refused && e.Cause == ended:
			e.Cause = "" // it stands there already
		}
		fmt.Fprintf(&page, "  %s  %s\n", e.Time.Local().Format("15:04:05"), ui.Hang(happened(colour, e), left, columns))
	}
	text, hint := judgeHistory(all).answer(all[0].Time)
	fmt.Fprintf(&page, "\n%s\n", colour.Bold(ui.Fold(text, ui.Width(w))))
	if hint != "" {
		fmt.Fprintf(&page, "%s\n", ui.Fold(hint, ui.Width(w)))
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func happened(colour ui.Paint, e events.Event) string {
	text, cause := e.Text(), protocol.Printable(e.Cause)
	switch {
	case text == "":
		text = protocol.Printable(e.Event) // of a newer falcred
	case e.Event == events.Rejected:
		cause = "" // what follows says what it means
	case e.Event == events.LoginRequired && cause != "":
		text, cause = cause, "" // it is a sentence
	}
	switch e.Event {
	case events.Rejected, events.LoginRequired:
		text = colour.Red(text)
	case events.LoggedOut, events.Unavailable, events.Refused, events.Vanished, events.Clock:
		text = colour.Yellow(text)
	}
	if e.Event == events.LoggedIn && e.Subject != "" {
		text += ": " + protocol.Printable(e.Subject)
	}
	if cause != "" {
		text += ": " + cause
	}
	if e.Event == events.Refreshed && !e.Expires.IsZero() {
		text += ", " + validity(e.Expires.Sub(e.Time))
	}
	if age := e.Time.Sub(e.Since); !e.Since.IsZero() && age >= time.Minute {
		text += fmt.Sprintf("; it was %s old, of %s", words.Span(age), words.Moment(e.Since))
	}
	return text
}

// validity says how long a token was good for when it came, by a moment of whole seconds.
func validity(left time.Duration) string {
	switch {
	case left <= -time.Second:
		return "already expired by this machine's clock"
	case left < time.Second:
		return "valid for less than 1 second"
	case left < 10*time.Minute:
		return "valid for " + words.Span(left.Round(time.Second))
	}
	return "valid for " + words.Span(left.Round(time.Minute))
}
