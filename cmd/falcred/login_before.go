package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

// errStays is the end of a run in which somebody prefers the login that is there.
var errStays = errors.New("the login that is here stays")

// replace says who is logged in here, and asks whether another login shall take that one's place.
// The earlier one is not revoked when the new one is kept: issuers can be set to end all logins of
// the same person and client with one (login.Keep), and then the new one would go, too.
func (l *loginRun) replace(ctx context.Context, cfg daemon.Config, provider *issuer.Provider) (login.Seen, error) {
	seen, _ := login.See(cfg.Home) // first: what comes after it is another login, and asked about again
	who := loggedIn(ctx, cfg)
	if who == nil {
		return seen, nil
	}
	name := "somebody"
	if who.Name+who.Email+who.Account != "" {
		name = protocol.Printable(who.called())
	}
	if who.Ended {
		l.note("the login of %s has ended; the new one takes its place", name)
		return seen, nil
	}
	since := ""
	if who.Since != nil {
		since = " since " + words.Moment(*who.Since)
	}
	if l.Live {
		l.note("%s is logged in here%s.", name, since)
		l.note("A new login takes its place here. The issuer keeps the old one; to end that first: falcred logout")
	} else {
		l.note("%s is logged in here%s; this login replaces it", name, since)
		l.note("the issuer keeps the old one; to end that first: falcred logout")
	}
	if !seen.Ends.IsZero() {
		l.note("it may end by itself on %s, as one before it did at that age", words.Moment(seen.Ends))
	}
	if !l.asks || l.switchAccount {
		return seen, nil
	}
	again, err := l.yes(ctx, "Log in again? [y/N] ", false)
	if err != nil {
		return seen, err
	}
	if !again {
		return seen, errStays
	}
	if _, err := l.logoutPage(ctx, cfg, provider); err != nil {
		return seen, ctx.Err() // there is none, so it is not asked about; what else is wrong, the login itself comes upon
	}
	l.switchAccount, err = l.yes(ctx, "As another account? Then your browser logs out first. [y/N] ", false)
	return seen, err
}

// loggedIn is who is logged in here. A daemon knows more than the files: that the issuer does not
// accept the login any more.
func loggedIn(ctx context.Context, cfg daemon.Config) *person {
	limited, cancel := context.WithTimeout(ctx, daemonPatience)
	defer cancel()
	client := helper.New(os.LookupEnv)
	defer client.Close()
	var d *protocol.Status
	if status, err := client.Status(limited); err == nil && sameFolder(status.Home, cfg.Home) {
		d = &status
	}
	return whoIs(cfg.Home, d, os.LookupEnv)
}

// note tells a person, and leaves a script's lines alone.
func (l *loginRun) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.Live {
		fmt.Fprintln(l.Out, l.Wrap(text))
	} else {
		fmt.Fprintln(l.errs, "falcred: "+text)
	}
}

// endSession has the browser log out where another account is wanted: it would give the same one
// again. A browser is opened for it only where somebody sits before it. The address for the login
// is not opened beside it through a pipe: it has to come after that. The code for the login is
// asked for after it, since it is good for some minutes only.
func (l *loginRun) endSession(ctx context.Context, cfg daemon.Config, provider *issuer.Provider) error {
	if !l.switchAccount {
		return nil
	}
	address, err := l.logoutPage(ctx, cfg, provider)
	if err != nil {
		return err
	}
	shown := protocol.Printable(address)
	if l.Live {
		fmt.Fprintf(l.Out, "%s\n   %s\n", l.Wrap("First, have the browser that you log in with log out, at this address:"), shown)
	} else {
		fmt.Fprintf(l.Out, "logout_uri: %s\n", shown)
	}
	l.open(address)
	if !l.asks {
		l.note("open the address to log out first, in the browser that the login is confirmed in")
		l.noBrowser = true
		return nil
	}
	_, err = l.line(ctx, "Press Enter when it has logged out: ")
	return err
}

// logoutPage is where a browser logs out. The issuer is asked at most once.
func (l *loginRun) logoutPage(ctx context.Context, cfg daemon.Config, provider *issuer.Provider) (string, error) {
	return ui.Patiently(l.Console, "asking "+cfg.Issuer, func() (string, error) { return provider.EndSession(ctx) })
}

// connectionFor is how fal's page signs in: as the command line says, else as the last time, by the
// file that the fal CLI keeps for that. Another account may want another way: then the page asks.
func (l *loginRun) connectionFor(cfg daemon.Config) string {
	l.connection = strings.TrimSpace(l.connection)
	if l.connection != "" || l.switchAccount || cfg.Issuer != issuer.FalIssuer {
		return l.connection
	}
	last := login.LastConnection(cfg.Home)
	if last != "" {
		l.note("signing in with %s, as the last time (another way: --connection)", last)
	}
	return last
}

// yes asks a question; an empty answer is the default, and the end of the input is no.
func (l *loginRun) yes(ctx context.Context, question string, byDefault bool) (bool, error) {
	for {
		answer, err := l.line(ctx, question)
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, err
		case "n", "no":
			return false, err
		case "":
			return byDefault && err == nil, noEnd(err)
		}
		if err != nil {
			return false, noEnd(err)
		}
	}
}

// noEnd takes the end of the input for an answer.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// line asks for a line. Ctrl-C ends the question, and who reads on is left behind with the program.
func (l *loginRun) line(ctx context.Context, question string) (string, error) {
	fmt.Fprint(l.Out, question)
	type result struct {
		text string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		text, err := l.in.ReadString('\n')
		read <- result{strings.TrimSpace(text), err}
	}()
	select {
	case r := <-read:
		if r.err != nil {
			fmt.Fprintln(l.Out)
		}
		return r.text, r.err
	case <-ctx.Done():
		fmt.Fprintln(l.Out)
		return "", ctx.Err()
	}
}
